"""Lines of an input: reading them piece by piece, what one must be, and how one is edited. Start with `line_rules`."""
