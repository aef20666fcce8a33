"""A whole portal is killed between the end of batches and the messages that tell of them. Nothing is lost or told twice."""

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from openai import OpenAI

from tests.answers import say
from tests.cast import request_lines
from tests.notices import MailServer
from tests.processes import PortalProcess, portal_process
from tests.upstream import Upstream
from tests.waiting import until

pytestmark = pytest.mark.long

_SUBSCRIBE = """
from django.contrib.auth.models import User
from django.utils import timezone
from batches.rules.states import Source
from batches.services.core.access import access_of
from batches.services.notices.subscriptions import Wish, subscribe
anna = User.objects.create_superuser("anna", email="anna@example.com")
access, wish = access_of(anna, source=Source.COMMAND), Wish(event_types=["batch.completed"], frequency="at_once")
subscribe(access, wish, channel="email", now=timezone.now())
subscribe(access, wish, channel="chat", chat_url="{url}", now=timezone.now())
"""


@pytest.fixture
def mailbox() -> Iterator[MailServer]:
    with MailServer() as server:
        yield server


@pytest.fixture
def receiver() -> Iterator[Upstream]:
    with Upstream() as server:
        server.behave(lambda _: say(b"ok"))
        yield server


@pytest.fixture
def portal(tmp_path: Path, db: None, mailbox: MailServer) -> Iterator[PortalProcess]:
    """A portal whose leases are short. (`db` has this run in both sessions.)"""
    mail = {"EMAIL_URL": f"smtp://127.0.0.1:{mailbox.port}", "EMAIL_FROM": "batchyard@portal.example"}
    waits = {"LEASE_SECONDS": "2", "TENANT_NETWORKS": "127.0.0.0/8", "NOTICE_PAUSE_SECONDS": "0"}
    with portal_process(tmp_path, **mail, **waits) as portal:
        yield portal


def test_a_portal_killed_between_an_event_and_its_message_tells_it_all_the_same_and_once(
    portal: PortalProcess, mailbox: MailServer, receiver: Upstream
) -> None:
    key = _done(portal, "apikey", "create", "--project", "acme", "--name", "c")
    _done(portal, "shell", "--no-imports", "-c", _SUBSCRIBE.format(url=f"{receiver.origin}/hook"))
    mailbox.stop()
    receiver.stop()
    portal.start()
    with OpenAI(base_url=f"{portal.url}/v1", api_key=key) as client:
        file = client.files.create(file=("jobs.jsonl", request_lines(2)), purpose="batch")
        batch = client.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h").id
        until(lambda: client.batches.retrieve(batch).status == "completed", pause=0.1)
    for pid in portal.pids():
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    portal.wait_until_gone()

    mailbox.start()
    receiver.start()
    portal.start()
    until(lambda: mailbox.raw and receiver.requests, pause=0.1)
    portal.stop()

    (message,) = mailbox.messages
    (request,) = receiver.requests
    assert batch in message["Subject"]
    assert batch in request.json["text"]


def _done(portal: PortalProcess, *words: str) -> str:
    found = portal.manage(*words)
    assert found.returncode == 0, found.stderr
    return found.stdout.strip()
