"""Signing in and the pages of one's own account, for console, admin and API alike.

django-allauth does the work: its views, forms and flows are bound to the portal's rules and pages here. What is written down
about it is in `batches.services.sign_in` and its neighbours. `urls` is the map; read `adapters` first.
"""
