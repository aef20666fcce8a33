"""Secrets of providers: how they are kept, where else they may be, how options refer to them, and how answers lose them.

It knows the interface in `providers.base` and no adapter. Start with `secrecy`.
"""
