"""How to reach an upstream. This package has never heard of a batch.

`online` has the adapters, `transport` the HTTP, `judgement` the meaning of answers, `secrets` the credentials. Start with `base`.
"""
