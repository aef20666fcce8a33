"""The Bifrost dialect: one API for every provider, for clients that have `http://HOST/bifrost` as base URL."""
