"""Delegation: what the portal knows of jobs at the providers' own batch APIs, and every act on them. It does no network I/O.

`creating` makes jobs of the slices of a batch, `due` says which job is looked at next and by whom, `watching` has what is seen of
a job, `results` brings its rows home, and `take_back` returns requests to the executors. `incidents` are for people, and `decide`
is what they do. Read `creating.hand_over` first. `batches.engine.delegation` speaks to providers.
"""
