"""The users of the portal: accounts of people, their sign-ins and sessions, API keys, linked accounts, saved views.

This room knows `core`. The sign-in pages are in `console.account`. Start with `keys`.
"""
