"""What is allowed: guards, quotas, limits and prices, emergency stops, models that a project may name, estimates before sending.

This room decides and keeps settings; `control` and `intake` act on them. It knows `core` and `tally`. Start with `guards`.
"""
