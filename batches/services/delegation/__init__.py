"""Delegation: what the portal knows of jobs at the providers' own batch APIs, and every act on them. It does no network I/O.

`hand_over` lays jobs over the slices of a batch, `due` says which job is looked at next and by whom, `submitting` has what
happens around the create call, `watching` what is seen of a job, `collecting` brings its rows home, and `take_back` returns
requests to the executors. `incidents` are for people. Read `hand_over` first. `batches.engine.delegation` speaks to providers.
"""
