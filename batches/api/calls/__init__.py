"""The calls of the native API, a module for each thing that they are about. Each parses and makes one call of a service.

It knows `fields`, `openapi` and the view's base. Start with `batches`.
"""
