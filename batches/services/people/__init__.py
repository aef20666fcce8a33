"""Who uses the portal: accounts of people, their sign-ins and sessions, API keys, linked accounts, saved views.

This room knows `core`. The pages of signing in are those of `console.account`. Start with `keys`.
"""
