"""What Novita's clients send. Keys that are not named here are ignored."""

from datetime import timedelta

from batches.dialects.base import creation
from batches.dialects.base.fields import EndpointPath, Text, Window, WindowOf

ENDPOINTS = ("/v1/chat/completions", "/v1/completions")
# The contract has 48h; OpenAI's SDK is typed to send 24h, and gets what it asks for.
WINDOWS = {"48h": timedelta(hours=48), "24h": timedelta(hours=24)}
USUAL = Window("48h", WINDOWS["48h"])


class CreateBatch(creation.CreateBatch):
    """A batch over an uploaded file."""

    input_file_id = Text()
    endpoint = EndpointPath()
    completion_window = WindowOf(WINDOWS, required=False, allow_null=True, default=None)

    def validate_completion_window(self, window: Window | None) -> Window:
        return window or USUAL
