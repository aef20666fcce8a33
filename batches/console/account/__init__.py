"""Signing in and the pages of one's own account, for console, admin and API alike.

django-allauth does the work; this package binds its views, forms and flows to the portal's rules and pages. The records about
people are written by `batches.services.people.sign_in` and its neighbours. `urls` is the map; read `adapters` first.
"""
