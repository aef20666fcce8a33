"""Contents of files: the one way to keep, read, range-read and delete bytes, on a disk or on S3.

This room knows `core` and `policy`. No function here runs inside a transaction, except to note what was kept. Start with `store`.
"""
