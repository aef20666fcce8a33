"""HTTP as every API of the portal speaks it: views, bodies, fields, errors, pages, ids and rates of requests, scopes of keys.

It knows services, and neither dialects nor the native API. Start with `views.DialectView`.
"""
