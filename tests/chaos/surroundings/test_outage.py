"""The outage drill: a provider fails in every way, and whatever an operator looks at says so, and the same, within seconds."""

import html
import http.cookiejar
import json
import re
import time
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.answers import Answer, Request, refuse, stay_silent, succeed
from tests.chaos.client import Run
from tests.chaos.stage import Stage, stage
from tests.upstream import Upstream

WITHIN = 10.0  # seconds in which every view tells the truth
PATIENCE = 60.0  # seconds in which a call is sent
LINES = 5000  # more than are done while the drill lasts
SLOTS = 10
PASSWORD = "a-password-of-a-portal-that-lives-for-two-minutes"
SETTINGS = {
    "EXECUTORS": "1",
    "EXECUTOR_CONCURRENCY": str(SLOTS),
    "REQUEST_TIMEOUT_SECONDS": "120",
    "NOT_ANSWERING_SECONDS": "4",  # a stub on a busy machine is silent for 2 s now and then
    "BACKOFF_CAP_SECONDS": "1",
    "MAX_ATTEMPTS": "100",
}


@dataclass(frozen=True, slots=True)
class Trouble:
    """What a provider does, and what the views then call it and its batches. `is_so` asks the stub whether it is true."""

    name: str
    behaviour: Callable[[Request], Answer] | None  # None: it refuses connections
    provider: tuple[str, str]  # code and word
    batch: tuple[str, str]
    is_so: Callable[[Upstream, dict[str, Any]], bool]


def usual(_request: Request) -> Answer:
    return succeed(delay=0.2)


TROUBLES = (
    Trouble(
        "hangs",
        lambda _: stay_silent(),
        ("not_answering", "Not answering"),
        ("not_answering", "Not answering"),
        lambda upstream, state: upstream.in_flight == state["in_flight"] == SLOTS,
    ),
    Trouble(
        "answers only 429",
        lambda _: refuse(429, delay=0.1),
        ("rate_limiting", "Rate-limiting"),
        ("rate_limited", "Rate-limited"),
        lambda _, state: state["recent_succeeded"] == 0 and state["in_flight"] <= SLOTS,
    ),
    Trouble(
        "answers only 500",
        lambda _: refuse(500),
        ("down", "Down"),
        ("provider_down", "Provider down"),
        lambda _, state: "answers with errors" in state["sentence"] and state["in_flight"] <= 1,
    ),
    Trouble(
        "refuses connections",
        None,
        ("down", "Down"),
        ("provider_down", "Provider down"),
        lambda _, state: "is not reachable" in state["sentence"] and state["failed_in_a_row"] >= 20,
    ),
    Trouble(
        "is out of credit",
        lambda _: refuse(402),
        ("account_problem", "Account problem"),
        ("account_problem", "Account problem"),
        lambda _, state: state["failed_in_a_row"] >= 5 and state["in_flight"] <= 1,
    ),
)
WELL = Trouble(
    "works",
    usual,
    ("working", "Working"),
    ("in_progress", "In progress"),
    lambda upstream, state: state["recent_succeeded"] > 0 and upstream.in_flight <= SLOTS,
)


def test_every_view_of_an_outage_says_the_same_true_thing_within_seconds(tmp_path: Path) -> None:
    """O3, O4, O5, O7: a provider that hung, refused or was down was working or throttled, and its batch in progress."""
    with stage(tmp_path, **SETTINGS) as portal:
        operator = Operator(portal)
        run = portal.begin(LINES, usual)
        views = Views(portal, operator, run)
        views.agree_on(WELL)
        for trouble in TROUBLES:
            if trouble.behaviour is None:
                portal.upstream.stop()
            else:
                portal.upstream.behave(trouble.behaviour)
            views.agree_on(trouble)
            portal.upstream.behave(usual)
            if trouble.behaviour is None:
                portal.upstream.start()
            elif trouble.name == "hangs":
                portal.upstream.stop()  # the calls that hang are broken off
                portal.upstream.start()
            operator.try_now()
            views.agree_on(WELL)
        assert portal.look(run)["request_counts"]["failed"] == 0, "no request was lost to any of it"


class Views:
    """Everything that tells how the provider and its batch stand: the pages, the list and the API."""

    def __init__(self, portal: Stage, operator: "Operator", run: Run) -> None:
        self.portal, self.operator, self.run = portal, operator, run

    def agree_on(self, trouble: Trouble) -> None:
        """Wait until all of them say it, which is the truth: in a look that begins within WITHIN seconds.

        The seconds count from the first call that meets the provider as it now is, so that a busy machine has no part in them.
        """
        upstream = self.portal.upstream
        if trouble.behaviour is not None:
            met = len(upstream.requests)
            upstream.wait_until(lambda now: len(now.requests) > met, seconds=PATIENCE)
        deadline = time.monotonic() + WITHIN
        while True:
            began = time.monotonic()
            if not (wrong := self._wrong(trouble)):
                return
            assert began < deadline, f"{WITHIN} s after the provider {trouble.name}:\n" + "\n".join(wrong)
            time.sleep(0.2)

    def _wrong(self, trouble: Trouble) -> list[str]:
        state = self._asked("providers/local")["state"]
        batch = self._asked(f"batches/{self.run.id}")
        overview = self.operator.page("/console/overview/")
        # The console names a batch by its key. A word is looked for where its view has it, with what stands beside it.
        pages = {
            "overview": (overview, f"local {trouble.provider[1]}"),
            "provider page": (self.operator.page("/console/providers/local/"), f"{trouble.provider[1]} {state['sentence'][:12]}"),
            "batch page": (self.operator.page(f"/console/batches/{self.run.key}/"), trouble.batch[1]),
            "list": (self.operator.page("/console/batches/"), trouble.batch[1]),
            "overview, first card": (
                overview,
                "Needs attention" + (f" local : {trouble.provider[1].lower()}" if trouble is not WELL else ""),
            ),
        }
        wrong = [f"{view}: no {word!r} in {text[:600]!r}" for view, (text, word) in pages.items() if word not in text]
        codes = (state["code"], batch["state"]["code"])
        if codes != (trouble.provider[0], trouble.batch[0]):
            wrong.append(f"API: {state} and {batch['state']}")
        if trouble is WELL and batch["waiting"] is not None:
            wrong.append(f"API: it waits: {batch['waiting']}")
        if trouble is not WELL and "Expected end" in pages["batch page"][0]:
            wrong.append("batch page: an end is promised")
        if not trouble.is_so(self.portal.upstream, state):
            wrong.append(f"the stub has {self.portal.upstream.in_flight} in flight, which is not {state}")
        return wrong

    def _asked(self, path: str) -> dict[str, Any]:
        return dict(json.loads(self.portal.ask(f"/api/v1/{path}")))


class Operator:
    """A superuser who is signed in to the console."""

    def __init__(self, portal: Stage) -> None:
        self._url = portal.portal.url
        assert portal.portal.manage("collectstatic", "--no-input", "--verbosity", "0").returncode == 0
        portal.portal.stop()
        portal.portal.wait_until_gone()
        portal.portal.start()  # the list of static files is read at the start
        create = f"User.objects.create_superuser('ops', password='{PASSWORD}')"
        made = portal.portal.manage("shell", "-c", f"from django.contrib.auth.models import User; {create}")
        assert made.returncode == 0, made.stderr
        jar = http.cookiejar.CookieJar()
        self._open = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar)).open
        self._post("/console/login/", "/console/login/", login="ops", password=PASSWORD)

    def page(self, path: str) -> str:
        """The words of a page, without its head and its marks."""
        words = re.sub(r"<[^>]*>", " ", self._read(path).partition("<main")[2])
        return re.sub(r"\s+", " ", html.unescape(words))

    def try_now(self) -> None:
        """Have the provider tried at once, as its page offers it."""
        self._post("/console/providers/local/resume/", "/console/providers/local/")

    def _post(self, path: str, form_at: str, **fields: str) -> None:
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', self._read(form_at))
        assert token is not None
        self._read(path, urllib.parse.urlencode({"csrfmiddlewaretoken": token[1], **fields}).encode())

    def _read(self, path: str, form: bytes | None = None) -> str:
        request = urllib.request.Request(self._url + path, form)  # noqa: S310 - an address of our own
        with self._open(request, timeout=30) as answer:
            return str(answer.read().decode())
