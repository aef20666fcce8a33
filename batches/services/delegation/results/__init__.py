"""Results: the rows of a job are recorded, each once, and the job is concluded.

`collecting` records rows, and `concluding` decides what follows when they were read to their end, or cannot be read.
"""
