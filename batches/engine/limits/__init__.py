"""Limits: how much is sent to a provider, now and at a time, and whose fault it is when something fails. The rules are pure.

They know projects, providers and models by name, and no batch. Read the README, then `limiter`.
"""
