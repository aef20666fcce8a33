"""What the portal does: a room for each capability, with its acts and the questions about it. Services alone write the database.

Imports only go down, in this order: `core`; `tally`; `policy`; `control`, `people`, `storage` and `upstreams`; `intake`;
`results`; `lifecycle`; `retry` and `insight`; `consistency`; `bulk`; `upkeep`. Start with `core.transition`.
"""
