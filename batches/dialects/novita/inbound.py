"""What Novita's clients send. Keys that are not named here are refused."""

from datetime import timedelta

from batches.dialects.shared import creation
from batches.http.fields import CompletionWindow, EndpointPath, Text

ENDPOINTS = ("/v1/chat/completions", "/v1/completions")
USUAL = CompletionWindow("48h", timedelta(hours=48))  # OpenAI's SDK is typed to send 24h, and gets what it asks for


class CreateBatch(creation.CreateBatch):
    """A batch over an uploaded file."""

    input_file_id = Text()
    endpoint = EndpointPath()
    usual_window = USUAL
