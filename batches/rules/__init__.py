"""The portal's pure rules: words, states, ids, line formats. No module here reads a database, a file or a setting of its own.

Lines of an input are in `lines`; how values are written for people is in `display`. Everything else in `batches` may
import them; they import `providers` and each other. Start with `states`.
"""
