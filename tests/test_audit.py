"""The audit of dependencies: what it asks, and that nobody's check waits for a network."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from tests import audit
from tests.servers import free_port


@contextmanager
def database(answer: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """A database of vulnerabilities that gives this answer; its address, and what it was asked."""
    asked: list[bytes] = []

    class Answering(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Answering)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/", asked
    server.shutdown()
    thread.join()
    server.server_close()


def answers(**vulnerable: str) -> bytes:
    pinned = audit.pinned(audit.LOCK.read_text())
    return json.dumps(
        {"results": [{"vulns": [{"id": vulnerable[name]}]} if name in vulnerable else {} for name, _ in pinned]}
    ).encode()


def test_every_pinned_package_is_asked_about_in_one_question(capsys: pytest.CaptureFixture[str]) -> None:
    with database(answers()) as (address, asked):
        assert audit.main(address) == 0
    (question,) = asked
    named = {query["package"]["name"]: query["version"] for query in json.loads(question)["queries"]}
    assert {"django", "aiohttp", "celery"} <= named.keys()
    assert "nothing is known against" in capsys.readouterr().out


def test_a_package_that_is_known_to_be_vulnerable_fails_the_check(capsys: pytest.CaptureFixture[str]) -> None:
    with database(answers(django="PYSEC-1")) as (address, _):
        assert audit.main(address) == 1
    assert "PYSEC-1" in capsys.readouterr().out


def test_what_was_found_not_to_concern_the_portal_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(audit.IGNORED, "PYSEC-1", "the test says so")
    with database(answers(django="PYSEC-1")) as (address, _):
        assert audit.main(address) == 0


@pytest.mark.parametrize("answer", [b"<html>sign in first</html>", b"[]", b"{}"])
def test_an_answer_that_is_none_fails_nothing_and_is_said(answer: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    with database(answer) as (address, _):
        assert audit.main(address) == 0
    assert "not done" in capsys.readouterr().out


def test_a_missing_network_fails_nothing_and_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert audit.main(f"http://127.0.0.1:{free_port()}/") == 0
    assert "not done" in capsys.readouterr().out
