"""Bodies from Novita's clients. Unknown keys are refused."""

from datetime import timedelta

from batches.dialects.shared import creation
from batches.http.fields import CompletionWindow, EndpointPath, Text

ENDPOINTS = ("/v1/chat/completions", "/v1/completions")
USUAL = CompletionWindow("48h", timedelta(hours=48))  # OpenAI's SDK always sends 24h, and gets 24h


class CreateBatch(creation.CreateBatch):
    """A create body for a batch over an uploaded file."""

    input_file_id = Text()
    endpoint = EndpointPath()
    usual_window = USUAL
