"""How the native API is documented: the OpenAPI document made of views and serializers, its examples, and its page.

Start with `schema`.
"""
