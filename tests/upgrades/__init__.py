"""Databases of earlier releases, which must go on under this one.

`python -m tests.upgrades NAME` makes the database of the release that is checked out, filled by its own code, and keeps it
in `releases/NAME`. Run it once for each release, and commit what it made. `--code FOLDER` takes another checkout's code.
"""
