"""The calls about webhooks: endpoints, and the deliveries of one. Start with `endpoints`."""
