"""What each process tells about itself: what it has counted, how it is, and the ids that belong into its log lines.

Celery workers answer no HTTP. So each process counts in its memory, and adds the counts to the database now and then; the page
`/metrics` of any web process has them all (`insight.metrics`). This room knows the models only, so that everybody may count.
Start with `catalogue`, then `counts` and `hand_in`.
"""
