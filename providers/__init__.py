"""Providers: how the portal reaches upstreams. This package does not know batches.

`online` has the adapters, `transport` the HTTP, `judgement` the meaning of answers, `secrets` the credentials. Start with `base`.
"""
