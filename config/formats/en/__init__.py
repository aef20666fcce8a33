"""The formats of the portal's one language."""
