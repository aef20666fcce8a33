"""The tests, in folders that mirror the tree; benchmarks and chaos beside them. Read the README, then `conftest`."""
