"""Requests to repeat by hand. The key is always the variable $API_KEY, never a secret."""

import shlex

from django.http import HttpRequest, QueryDict

from batches.models import Batch

KEY = '-H "Authorization: Bearer $API_KEY"'
LONGEST_BODY = 16 * 1024  # a longer one is read from a file


def retrieve_batch(request: HttpRequest, batch: Batch) -> str:
    """Asks this portal for the batch."""
    return read_face(request, f"/v1/batches/{batch}")


def read_face(request: HttpRequest, path: str, *, header: str = "") -> str:
    """Asks for a batch in the words of a dialect; the header names a variable, too, where it is a secret."""
    more = f' -H "{header}"' if header else ""
    return f"curl {shlex.quote(request.build_absolute_uri(path))} {KEY}{more}"


def list_batches(request: HttpRequest, question: QueryDict) -> str:
    """Asks this portal's API for the batches that the list shows."""
    return read_face(request, "/api/v1/batches" + (f"?{question.urlencode()}" if question else ""))


def create_first_batch(request: HttpRequest) -> str:
    """Uploads a file and starts a batch over it."""
    files, batches = (shlex.quote(request.build_absolute_uri(path)) for path in ("/v1/files", "/v1/batches"))
    return (
        f"curl {files} {KEY} \\\n  -F purpose=batch -F file=@requests.jsonl\n\n"
        f'curl {batches} {KEY} \\\n  -H "Content-Type: application/json" \\\n'
        '  -d \'{"input_file_id": "file-…", "endpoint": "/v1/chat/completions", "completion_window": "24h"}\''
    )


def send_object(batch: Batch, body: str, *, address: str) -> str:
    """Sends one request to the batch's upstream, as the engine does; whoever is not told its address has to fill it in."""
    path = batch.endpoint.removeprefix("/v1")
    url = shlex.quote(address.rstrip("/") + path) if address else f'"$BASE_URL"{shlex.quote(path)}'
    data = shlex.quote(body) if len(body) <= LONGEST_BODY else "@request.json"
    return f'curl {url} {KEY} \\\n  -H "Content-Type: application/json" \\\n  -d {data}'
