"""HTTP for all APIs of the portal: views, bodies, fields, errors, pages, ids and rates of requests, scopes of keys.

This package knows services, and neither dialects nor the native API. Start with `views.DialectView`.
"""
