"""Pages about the portal as a whole: the overview, providers, emergency stops, API keys.

This package knows `kit` and `drawing`, and no other page. Start with `overview`.
"""
