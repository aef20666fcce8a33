"""The Anthropic dialect: message batches, for clients that have `http://HOST` or `http://HOST/anthropic` as base URL."""
