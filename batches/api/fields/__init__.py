"""The bodies that clients of the native API send and get. This package has serializers, and nothing else.

This package knows services and `batches.http`. Start with `creation` and `batch`.
"""
