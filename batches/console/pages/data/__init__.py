"""Pages about the data that projects keep: how long, under which holds, how much of it; and erasure.

This package knows `kit` and `drawing`, and no other page. Start with `kept_data`.
"""
