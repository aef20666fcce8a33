"""Delegated batches against the stand-in of the providers' batch APIs, over real HTTP."""
