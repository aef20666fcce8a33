"""Django's PostgreSQL backend, for processes whose many threads share few connections. Read `connections` first."""
