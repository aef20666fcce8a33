"""A stand-in for the batch APIs of providers, over real HTTP, with a clock that tests move and jobs that go as tests plan.

    with BatchApis() as apis:
        apis.plan(Plan(ending=Ending.EXPIRED, answered=0.6), Plan(create=Create.LOST_ANSWER))  # of the next two jobs
        ...                                         # create jobs at apis.url("openai")
        apis.advance(3600)
        assert apis.jobs[0].is_billed == 6

`world` has the clock, the files and the jobs, `plan` what a test can force, `results` the lines of result files. Each family
of providers is one module: `openai` (with Azure's paths and those of its likes) and `anthropic`. `server` puts them on a
port, and the files of redirects on a second one, which records the headers that it is sent.

`python -m tests.batch_apis` runs the stand-in as a process of its own, with an admin API for plans, the clock and the truth.
The official clients are pointed at it in `test_wire`, so that it is held to the wire itself.
"""

from tests.batch_apis.plan import Counts, Create, Ending, Oddity, Plan
from tests.batch_apis.server import BatchApis

__all__ = ["BatchApis", "Counts", "Create", "Ending", "Oddity", "Plan"]
