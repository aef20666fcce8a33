"""The verbs, one a module: the only writers of the database. Read `transition` first."""
