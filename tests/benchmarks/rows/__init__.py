"""Rival (c), as a small Django project that runs each request as a Celery task would be written, and is.

What its documentation and tutorials show, no more and no less: one task for each request, the SDK's client made once for
each process, `objects.create` for the answer, late acknowledgement, prefork, a connection to the database that is kept.
"""
