"""The Bifrost dialect: every provider through one face, for clients that have `http://HOST/bifrost` as base URL."""
