"""What a batch can be for, in the dialects that leave the choice to the client."""

CHAT = "/v1/chat/completions"
MESSAGES = "/v1/messages"
ENDPOINTS = (
    "/v1/responses",
    CHAT,
    "/v1/embeddings",
    "/v1/completions",
    "/v1/moderations",
    "/v1/images/generations",
    "/v1/images/edits",
    "/v1/videos",
    MESSAGES,
)


def canonical(endpoint: str) -> str:
    """An endpoint with its version: Azure's clients write `/chat/completions`."""
    return f"/v1{endpoint}" if f"/v1{endpoint}" in ENDPOINTS else endpoint
