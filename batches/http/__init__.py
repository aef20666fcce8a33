"""HTTP for all APIs of the portal: views, bodies, fields, errors, pages, ids of requests, scopes of keys, callers.

This package knows services, and neither dialects nor the native API. Start with `views.DialectView`.
"""
