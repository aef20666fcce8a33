"""The services of the portal: a room for each capability, with its acts and questions. Only services write the database.

Imports only go down, in this order: `core`; `tally`; `policy`; `control`, `people`, `storage` and `upstreams`; `intake`;
`results`; `lifecycle`; `retry` and `insight`; `consistency`; `bulk`; `upkeep`. Start with `core.transition`.
"""
