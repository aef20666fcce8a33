"""What every other room stands on: a batch's status and timeline, who may do what, records of acts, leases, wakes.

This room knows the models and the rules, and no other room. Start with `transition`, the one function that writes a status.
"""
