"""The two databases, each behind the same interface: a snapshot that is dumped and asked, and an empty one that is loaded.

`interface` has the interface, and `of_portal` finds the database of this portal.
"""
