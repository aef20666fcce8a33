"""Pages about outcomes of many requests: why they failed, and how two batches differ.

It knows the pages of `acts`, for retries of one error group. Start with `error_list`.
"""
