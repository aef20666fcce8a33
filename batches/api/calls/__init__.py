"""The calls of the native API: a module for each kind of thing. Each call parses its input and calls one service.

This package knows `fields`, `openapi` and the base of the views. Start with `batches`.
"""
