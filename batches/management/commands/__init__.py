"""The commands, one a file: each parses and makes one call of a service. Start with `serve`."""
