"""curl commands that people can run by hand. The key in a command is always the variable $API_KEY, never a secret."""

import shlex

from django.http import HttpRequest, QueryDict

from batches.models import Batch

KEY = '-H "Authorization: Bearer $API_KEY"'
LONGEST_BODY = 16 * 1024  # a longer body is read from a file


def retrieve_batch(request: HttpRequest, batch: Batch) -> str:
    """A command that asks this portal for a batch."""
    return read_face(request, f"/v1/batches/{batch}")


def read_face(request: HttpRequest, path: str, *, header: str = "") -> str:
    """A command that asks for a batch in a dialect. `header` is one more header, with a variable in the place of a secret."""
    more = f' -H "{header}"' if header else ""
    return f"curl {shlex.quote(request.build_absolute_uri(path))} {KEY}{more}"


def list_batches(request: HttpRequest, question: QueryDict) -> str:
    """A command that asks this portal's API for the batches that the list shows."""
    return read_face(request, "/api/v1/batches" + (f"?{question.urlencode()}" if question else ""))


def create_first_batch(request: HttpRequest) -> str:
    """Commands that upload a file and start a batch over it."""
    files, batches = (shlex.quote(request.build_absolute_uri(path)) for path in ("/v1/files", "/v1/batches"))
    return (
        f"curl {files} {KEY} \\\n  -F purpose=batch -F file=@requests.jsonl\n\n"
        f'curl {batches} {KEY} \\\n  -H "Content-Type: application/json" \\\n'
        '  -d \'{"input_file_id": "file-…", "endpoint": "/v1/chat/completions", "completion_window": "24h"}\''
    )


def send_object(batch: Batch, body: str, *, address: str) -> str:
    """A command that sends one request to the batch's upstream, as the engine does.

    `address` is empty for a reader who may not see the upstream's address; they have to fill it in.
    """
    path = batch.endpoint.removeprefix("/v1")
    url = shlex.quote(address.rstrip("/") + path) if address else f'"$BASE_URL"{shlex.quote(path)}'
    data = shlex.quote(body) if len(body) <= LONGEST_BODY else "@request.json"
    return f'curl {url} {KEY} \\\n  -H "Content-Type: application/json" \\\n  -d {data}'
