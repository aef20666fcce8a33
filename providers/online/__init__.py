"""Adapters: one call, one answer. Each module speaks to one kind of upstream as `providers.base.Adapter` has it.

Adapters know `judgement` and `transport`; `providers.registry` names them. Start with `openai`.
"""
