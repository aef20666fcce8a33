"""The limits of providers: how much an executor may send, now and at a time, over all executors."""
