"""The pages of webhooks: the endpoints of projects, one endpoint with its deliveries, one delivery, and the acts on them.

Start with `endpoint_list`. The deliveries of one batch are on the batch's own pages, which draw them by `badges`.
"""
