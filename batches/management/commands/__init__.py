"""The commands, one in each file. Each command parses its arguments and calls one service. Start with `serve`."""
