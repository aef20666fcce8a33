"""Contents of files: the one way to keep, read, range-read and delete bytes, on a disk or on S3.

This room knows `core`, `policy` and `retention`. Its functions must not run inside a transaction, except `keep`, which saves
the row of a file. Start with `store`.
"""
