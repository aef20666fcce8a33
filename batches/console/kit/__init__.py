"""What the pages share: rights, live regions, keyset pages, the query of the list of batches, exports, parts of forms.

It knows `drawing` and services, and no page. Start with `access`.
"""
