"""Django's PostgreSQL backend, with planner settings for each connection, and connections that threads share."""
