"""Backup and restore: the database and the files that it names, as one consistent whole, in a folder or a bucket.

A backup holds `manifest.json`, `files.jsonl`, a dump of the database, and the files under their names in the file storage.
The database comes first, from one snapshot; then come the files that this snapshot names. That is enough for consistency:
a file is written before its row and never changed, so the only surprise is a file that was removed meanwhile, which the
backup notes. The manifest is written last, so that a backup without a manifest is known to be unfinished.

This room knows the models of files and no other room of services. Start with `make`.
"""
