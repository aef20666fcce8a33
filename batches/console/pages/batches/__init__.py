"""Pages about batches: the list with its saved views, and one batch with its objects, history, faces and files.

It knows the pages of `acts`, whose buttons it shows. Start with `batch_list`.
"""
