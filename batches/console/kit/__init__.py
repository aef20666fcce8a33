"""Code that pages share: rights, live regions, keyset pages, the query of the list of batches, exports, parts of forms.

This package knows `drawing` and services, and no page. Start with `access`.
"""
