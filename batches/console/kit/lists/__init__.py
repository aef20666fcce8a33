"""What pages with a list share: the query in the address, columns, pages by key, the way back, and the export of batches.

Lists know filters and models. Start with `list_query`.
"""
