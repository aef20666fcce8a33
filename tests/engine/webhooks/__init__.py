"""Events on their way to receivers: real HTTP to a receiver on this machine."""
