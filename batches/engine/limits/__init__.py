"""Limits: how much is sent to a provider per minute and at a time, and whose fault it is when calls fail.

The rules are pure functions. They know projects, providers and models by name, and no batch. Read the README, then `limiter`.
"""
