"""Pages that change batches: a new batch, an act on one or many batches, a retry, an edited request for one line.

Each page asks first, and then calls the same services as the APIs. Start with `act_on_batch`.
"""
