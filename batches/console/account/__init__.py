"""Signing in, and the pages of a person's own account, for the console, the admin and the API.

django-allauth does the work. This package connects its views, forms and flows with the portal's rules and pages. The services
`batches.services.people` write the records about people. `urls` is the map; start with `adapters`.
"""
