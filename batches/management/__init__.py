"""Commands of `manage.py`, in `commands`, and code that several commands share: amounts as options, child processes.

This package knows services and no face. Start with `commands.serve`.
"""
