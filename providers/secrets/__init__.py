"""Secrets of providers: their storage, other sources, references to them in options, and their removal from answers.

This package knows the interface in `providers.base` and no adapter. Start with `secrecy`.
"""
