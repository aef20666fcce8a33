"""The OpenAI dialect: files, uploads and batches under `/v1`, for clients that have `http://HOST/v1` as base URL."""
