"""The Merge dialect: bulk writes of accounting records, for clients that have `http://HOST/api` as base URL."""
