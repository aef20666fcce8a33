"""Commands of `manage.py`, in `commands`, and what several of them share: amounts on the command line, child processes.

It knows services and no face. Start with `commands.serve`.
"""
