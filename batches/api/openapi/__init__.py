"""The documentation of the native API: the OpenAPI document, made from views and serializers; its examples; and its page.

Start with `schema`.
"""
