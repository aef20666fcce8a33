"""Django's PostgreSQL backend, with planner settings of its own for each connection."""
