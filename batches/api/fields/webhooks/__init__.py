"""Webhook endpoints and deliveries in the native API. Start with `endpoints`."""
