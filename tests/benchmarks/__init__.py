"""How fast, how lean: `python -m tests.benchmarks COMMAND` measures real processes. Each command explains itself with --help.

Every figure comes with a check that the work was really done, and the stub upstream's own figures stand beside it, so
that it can be seen not to be the bottleneck. Absolute figures depend on the machine; ratios of one run are what to trust.
"""
