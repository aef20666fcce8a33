"""Pages about outcomes of many requests: the reasons of failures, and the differences of two batches.

This package knows the pages of `acts`, for retries of one error group. Start with `error_list`.
"""
