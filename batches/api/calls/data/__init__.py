"""Calls about the data that projects keep: how long, under which holds, how much of it; and erasure. Start with `retention`."""
