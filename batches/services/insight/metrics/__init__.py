"""The metrics of the portal, as families of Prometheus: everything that `/metrics` of any web process offers.

All that is asked of the database for metrics is asked here, by few bounded statements, none of which reads objects or results.
Start with `collect`; each source is one function of a module beside it.
"""
