"""Jobs at a provider's own batch API: submitting, watching, cancelling, collecting, and leaving nothing behind.

A *driver* speaks to one family of batch APIs. It knows no batch of the portal: it is given rows with ids of its caller's own,
and gives the outcome of each row back. `base` is the contract of all drivers; read it first. `profiles` has what providers
allow, as data. `openai` and `anthropic` are the drivers, `client` is HTTP for this work, and `result_lines` reads results.
"""
