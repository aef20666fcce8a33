"""The base of all other rooms: a batch's status and timeline, rights of people, records of acts, leases, wakes.

This room knows the models and the rules, and no other room. Start with `transition`, the one function that writes a status.
"""
