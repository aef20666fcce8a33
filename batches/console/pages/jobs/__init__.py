"""The pages of jobs at the providers' own batch APIs: the list of all, one job, and the acts on them.

Start with `job_list`. The jobs of one batch are on the batch's own pages.
"""
