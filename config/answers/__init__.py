"""Answers that no view gives: error pages, probes, what may be kept of an answer, what must not go in the clear.

Settings name these modules as middleware and handlers. Start with `errors`.
"""
