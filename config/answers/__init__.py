"""Answers, and rules for answers, outside of the views: error pages, probes, caching, HTTPS.

The settings name these modules as middleware and handlers. Start with `errors`.
"""
