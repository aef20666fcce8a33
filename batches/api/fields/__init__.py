"""What clients of the native API send and get: serializers, and nothing else.

It knows services and `batches.http`. Start with `creation` and `batch`.
"""
