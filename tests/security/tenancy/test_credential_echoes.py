"""S6: an upstream that repeats a provider's credential, or a secret header of it, in any spelling and in any place of an answer,
leaves it nowhere: no table, no file, no log, no check."""

import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from django.core.files.storage import default_storage
from django.db import connection
from pytest_django import Settings

from batches.models import Attempt, Batch, BatchError, BatchResult, ErrorGroup, Event, Project, ProviderHealth
from batches.rules.actors import COMMAND
from batches.rules.states import BatchStatus
from batches.services.results.results import results
from batches.services.upstreams.providers import add_provider, check_provider, set_secret
from providers.models import Provider
from providers.secrets.redaction import Secrets
from tests.answers import Answer, Request, refuse, say, succeed
from tests.cast import ended, request_line, run_executor, started
from tests.security.texts.spellings import SPELLINGS, cores
from tests.upstream import Upstream

pytestmark = pytest.mark.django_db(transaction=True)
CREDENTIAL = "sk-Cred-very+secret/0123456789=="
HEADER = "edge-Secret~of/the+gateway-987654"
PLACES = ("answer", "message", "code", "text", "page", "header", "in a success", "retried")
NOW = datetime(2026, 11, 30, tzinfo=UTC)


def echo(place: str, spelt: str, *, again: bool) -> Answer:
    """What an upstream answers that repeats a secret in one place."""
    in_json = json.dumps(spelt)
    match place:
        case "answer":
            return succeed(f'{{"choices":[{{"message":{{"content":{in_json}}}}}],{in_json}:1}}'.encode())
        case "message":
            return refuse(400, message=f"bad key {spelt}")
        case "code":
            return refuse(400, message="no", code=spelt, param=spelt)
        case "text":
            return say(f"your key is {spelt}".encode(), status=400)
        case "page":
            return say(f"<html>{spelt}</html>".encode(), status=200)
        case "header":
            plain = "".join(character for character in spelt if "!" <= character <= "~")
            return say(
                b'{"error":{"message":"no"}}', status=307, Location=f"/{plain}", x_request_id=plain, Content_Encoding=plain
            )
        case "in a success":
            return say(f'{{"error":{{"message":{in_json},"code":{in_json}}}}}'.encode())
        case _:
            return refuse(400, message=f"at last {spelt}") if again else refuse(500, message=f"once {spelt}")


@pytest.fixture
def gateway(upstream: Upstream) -> Provider:
    """A provider whose upstream repeats what it was sent, in the spelling and the place that a request asks for."""
    made = add_provider(
        "gateway",
        adapter="openai",
        base_url=upstream.base_url,
        credential=CREDENTIAL,
        options={"headers": {"X-Edge": {"secret": "edge"}, "X-Org-Key-Id": "organisation-key-0123456789"}},
        default=True,
        actor=COMMAND,
        now=NOW,
    )
    set_secret(made, "edge", secret=HEADER, actor=COMMAND, now=NOW)
    tried: set[str] = set()

    def answer(request: Request) -> Answer:
        if request.method == "GET":
            return refuse(500, message=f"{CREDENTIAL} {HEADER}")
        name = request.json["n"]
        secret, spelling, place = json.loads(name)
        again = name in tried
        tried.add(name)
        sent = {"credential": request.headers["authorization"].removeprefix("Bearer "), "header": request.headers["x-edge"]}
        return echo(place, SPELLINGS[spelling](sent[secret]), again=again)

    upstream.behave(answer)
    return Provider.objects.get(pk=made.pk)


def everything_stored() -> Iterator[tuple[str, str]]:
    """Every row of every table but the providers' own, and every file."""
    for table in connection.introspection.table_names():
        with connection.cursor() as cursor:
            cursor.execute(f'SELECT * FROM "{table}"')  # noqa: S608 - a name of a table
            for row in cursor.fetchall():
                values = [bytes(value).decode("latin-1") if isinstance(value, memoryview | bytes) else value for value in row]
                yield table, json.dumps(values, default=str)
    yield from _files("")


def _files(folder: str) -> Iterator[tuple[str, str]]:
    folders, files = default_storage.listdir(folder)
    for name in files:
        with default_storage.open(f"{folder}{name}") as opened:
            yield f"file {folder}{name}", opened.read().decode()
    for name in folders:
        yield from _files(f"{folder}{name}/")


def test_it_is_left_nowhere(project: Project, gateway: Provider, settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    settings.BACKOFF_BASE_SECONDS = 0.01
    caplog.set_level(logging.DEBUG)
    names = [
        json.dumps([which, spelling, place]) for which in ("credential", "header") for spelling in SPELLINGS for place in PLACES
    ]
    batch = started(project, b"".join(request_line(name) for name in names))

    for _ in range(20):
        run_executor()
        if ended(batch).status == BatchStatus.COMPLETED:
            break
    assert Batch.objects.get().status == BatchStatus.COMPLETED
    found = check_provider(gateway, actor=COMMAND, now=NOW)

    assert BatchResult.objects.count() == len(names)
    assert BatchError.objects.exists()
    assert Attempt.objects.filter(message__contains="[credential]").exists()
    assert ErrorGroup.objects.exists()
    assert Event.objects.exists()
    assert ProviderHealth.objects.exists()
    assert sum("[credential]" in f"{one.body}{one.error_message}{one.error_code}" for one in results(batch)) > len(names) // 2
    leaks = [
        (where, text[:200])
        for where, text in [*everything_stored(), ("log", caplog.text), ("check", found.message)]
        for core in (*cores(CREDENTIAL), *cores(HEADER))
        if core.decode() in text.lower()
    ]
    assert leaks == []
    again = Secrets(CREDENTIAL, HEADER)
    assert [where for where, text in everything_stored() if again.hidden_in(text) != text] == []
