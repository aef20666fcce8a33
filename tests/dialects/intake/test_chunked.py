"""Bodies that come in chunks and do not say how long they are, as some clients send streams: over the portal's own server."""

import json
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.processes import PortalProcess, portal_process

LINE = b'{"custom_id":"a","method":"POST","url":"/v1/embeddings","body":{"model":"m","input":"x"}}\n'
REQUESTS = [{"custom_id": "a", "body": {"model": "m"}}]
PARAMS = [{"custom_id": "a", "params": {"model": "m"}}]
UPLOAD = {"bytes": 5, "filename": "x", "mime_type": "text/plain", "purpose": "batch"}
CALLS: dict[str, dict[str, Any]] = {
    "/v1/batches": {"endpoint": "/v1/embeddings", "completion_window": "24h", "requests": REQUESTS},
    "/v1/messages/batches": {"requests": PARAMS},
    "/bifrost/v1/batches": {"model": "simulator/m", "requests": REQUESTS},
    "/api/accounting/v1/invoices/bulk": {"batch_items": [{"item_id": "a", "payload": {}}]},
    "/api/v1/batches": {"endpoint": "/v1/embeddings", "requests": REQUESTS},
    "/v1/uploads": UPLOAD,
}
FILES = ("/v1/files", "/openai/v1/files", "/bifrost/v1/files?provider=simulator", "/api/v1/files")
LIMIT = 20_000
BODIES = (
    "MAX_JSON_BYTES",
    "MAX_INLINE_BYTES",
    "MAX_BULK_BYTES",
    "MAX_FILE_BYTES",
    "MAX_BATCH_FILE_BYTES",
    "NOVITA_MAX_FILE_BYTES",
)
LIMITS = dict.fromkeys(BODIES, str(LIMIT))
BOUNDARY = b"--b\r\nContent-Disposition: form-data; name="
FORM = BOUNDARY + b'"file"; filename="x.jsonl"\r\n\r\n' + LINE + b"\r\n" + BOUNDARY + b'"purpose"\r\n\r\nbatch\r\n--b--\r\n'
IS_FORM = {"Content-Type": "multipart/form-data; boundary=b"}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with portal_process(tmp_path_factory.mktemp("chunked"), **LIMITS) as portal:
        portal.start()
        with httpx.Client(base_url=portal.url, timeout=30, headers=headers_for(portal)) as client:
            yield client


def headers_for(portal: PortalProcess) -> dict[str, str]:
    key = portal.manage("apikey", "create", "--project", "acme", "--name", "streams").stdout.strip()
    return {"Authorization": f"Bearer {key}", "X-Account-Token": "simulator"}


def in_chunks(body: bytes) -> Iterator[bytes]:
    return (body[at : at + 50] for at in range(0, len(body), 50))


@pytest.mark.parametrize("path", CALLS)
def test_json_is_read_to_its_end_and_no_further_than_its_limit(client: httpx.Client, path: str) -> None:
    body = json.dumps(CALLS[path]).encode()
    answer = client.post(path, content=in_chunks(body))
    assert answer.request.headers["Transfer-Encoding"] == "chunked"
    assert answer.is_success, answer.text
    refused = client.post(path, content=in_chunks(body + b" " * LIMIT))
    assert refused.status_code == 400 if "bulk" in path else 413
    assert str(LIMIT) in refused.text
    assert client.post(path, content=in_chunks(body[:-1])).status_code == 400


@pytest.mark.parametrize("path", FILES)
def test_a_file_is_read_to_its_end(client: httpx.Client, path: str) -> None:
    answer = client.post(path, content=in_chunks(FORM), headers=IS_FORM)
    assert answer.is_success, answer.text
    assert client.get(f"/v1/files/{answer.json()['id']}/content").content == LINE
    assert client.post(path, content=in_chunks(FORM.replace(LINE, LINE * 1000)), headers=IS_FORM).status_code == 413


@pytest.mark.parametrize("path", FILES)
def test_of_a_file_that_was_cut_off_nothing_is_kept(client: httpx.Client, path: str) -> None:
    inputs = "/v1/files?purpose=batch"  # results of earlier calls may still come in
    known = client.get(inputs).json()
    for end in (b"", b"zzz\r\n"):  # the connection ends, or goes on with what is no chunk
        cut = FORM[: FORM.index(LINE) + len(LINE)]
        assert b" 400 " in sent(client, path, b"%x\r\n%b\r\n%b" % (len(cut), cut, end)).split(b"\r\n")[0]
    assert client.get(inputs).json() == known


def sent(client: httpx.Client, path: str, chunks: bytes) -> bytes:
    """The answer to a call of which only these chunks arrive."""
    address = urlsplit(str(client.base_url))
    fields = {"Authorization": client.headers["Authorization"]} | IS_FORM
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    with socket.create_connection((address.hostname, address.port), timeout=30) as connection:
        start = f"POST {path} HTTP/1.1\r\nHost: {address.netloc}\r\n{head}Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
        connection.sendall(start.encode() + chunks)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65536), b""))
