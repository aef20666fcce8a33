"""The pages of kept data, legal holds and erasure."""
