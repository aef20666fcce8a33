"""Rules of the portal: guards, quotas, limits and prices, emergency stops, the models of a project, estimates of cost.

This room decides, and keeps settings. `control` and `intake` act on its decisions. It knows `core` and `tally`. Start with
`guards`.
"""
