"""Pages about batches: the list with its saved views, and one batch with its objects, history, faces and files.

This package knows the pages of `acts`, whose buttons it shows. Start with `batch_list`.
"""
