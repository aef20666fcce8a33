"""The portal's pure rules: words, states, ids, line formats. No module here reads a database, a file or a setting of its own.

Everything else in `batches` may import them; they import `providers` and each other. Start with `states`.
"""
