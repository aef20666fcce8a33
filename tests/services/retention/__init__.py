"""How long projects keep what, and what is under legal hold."""
