"""Creating: from the open slices of a batch to jobs at its provider, each created at most once.

`hand_over` lays jobs over slices, `budget` says whether the guards of their batch have room for one, `submitting` has what
happens around the create call, and `doubt` finds out what came of a call without an answer. Read `hand_over` first.
"""
