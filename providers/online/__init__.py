"""Adapters: one call, one answer. Each module implements `providers.base.Adapter` for one kind of upstream.

Adapters know `judgement` and `transport`. `providers.registry` lists the adapters. Start with `openai`.
"""
