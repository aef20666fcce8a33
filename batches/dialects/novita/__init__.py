"""The Novita dialect: files and batches under `/openai/v1`, for OpenAI clients that have `http://HOST/openai/v1` as base URL."""
