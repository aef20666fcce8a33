"""`demo`: fill the portal with batches in every state. Everything goes the usual way, through simulated providers."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from tempfile import TemporaryFile
from time import monotonic, sleep
from typing import Any

from django.core.files import File as Content
from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from batches.management.own_url import own_url
from batches.models import ApiKey, Batch, Dialect, Project, Purpose
from batches.rules.actors import Actor
from batches.rules.errors import Conflict
from batches.rules.states import Source
from batches.services.control.cancel import cancel
from batches.services.intake.submission import Submission
from batches.services.intake.submit import submit
from batches.services.people.keys import issue_key
from batches.services.policy.delegation import set_delegation
from batches.services.policy.tune import tune_provider
from batches.services.storage.store import store
from batches.services.upstreams.providers import add_provider, grant
from providers.models import Provider

ACTOR = Actor("command demo", Source.COMMAND)
DAY = timedelta(hours=24)

PROVIDERS: dict[str, dict[str, Any]] = {
    "demo-steady": {"options": {"latency_ms": 80, "latency_jitter_ms": 240}, "max_concurrency": 64},
    "demo-slow": {"options": {"latency_ms": 1500, "latency_jitter_ms": 4000}, "max_concurrency": 6},
    "demo-limited": {"options": {"latency_ms": 200, "rate_limit_rate": 0.97, "retry_after_seconds": 240}, "max_concurrency": 8},
}
# The provider with a batch API is the portal itself: a job there is a batch of this project, which the first provider runs.
BATCH_API, BEHIND_IT = "demo-batches", "batch-api"
KEYS = {"support": "ticket-triage", "search": "ranking-pipeline", "catalog": "product-texts"}
TICKETS = ("Where is my parcel?", "The invoice names the wrong company.", "How do I reset my password?", "Ça ne marche plus 🙃")
Body = dict[str, Any]


@dataclass(frozen=True)
class Plan:
    """A batch of the demo: `body` makes the request of a line, from 0."""

    project: str
    remark: str
    count: int
    body: Callable[[int], Body]
    provider: str = "demo-steady"
    endpoint: str = "/v1/chat/completions"
    age: timedelta = timedelta(0)
    filename: str = "requests.jsonl"
    metadata: dict[str, str] = field(default_factory=dict)
    spoil: bool = False  # some lines are not valid
    cancelled: bool = False
    execution: str = ""


def chat(model: str, text: Callable[[int], str]) -> Callable[[int], Body]:
    """Requests for a chat completion."""
    return lambda number: {"model": model, "messages": [{"role": "user", "content": text(number)}], "max_tokens": 200}


def triage(number: int) -> Body:
    return chat("gpt-5-mini", lambda number: TICKETS[number % len(TICKETS)] + f" (ticket {number})")(number)


def unreliable(number: int) -> Body:
    """Most succeed; the others fail for a handful of reasons, some at the first attempt alone."""
    trouble: dict[int, Body] = {
        3: {
            "status": 400,
            "code": "context_length_exceeded",
            "message": f"The prompt has {9000 + number} tokens; 8192 is the most.",
        },
        7: {"status": 500, "times": 2},
        11: {"status": 400, "code": "content_filter", "message": f'Request "req_{number:06}" was refused by the content policy.'},
        13: {"failure": "connection_lost", "times": 1},
        17: {"status": 404, "code": "model_not_found", "message": "The model `gpt-5-mini-2024` does not exist."},
    }
    found = trouble.get(number % 40)
    return triage(number) | ({"simulate": found} if found else {})


def embedding(number: int) -> Body:
    return {"model": "text-embedding-3-small", "input": f"Product {number}: a sturdy chair of solid oak, 45 × 52 × 86 cm"}


def refused(number: int) -> Body:
    return triage(number) | {"simulate": {"status": 401, "message": "The key was revoked.", "code": "invalid_api_key"}}


PLANS = (
    Plan("catalog", "Embed the autumn catalogue", 2500, embedding, endpoint="/v1/embeddings", age=timedelta(hours=19)),
    Plan(
        "support",
        "Triage of last night's tickets",
        480,
        triage,
        age=timedelta(hours=7),
        metadata={"team": "support", "shift": "night"},
    ),
    Plan(
        "search",
        "Judge the top ten of 120 queries",
        1200,
        unreliable,
        age=timedelta(hours=3),
        metadata={"experiment": "rerank-14"},
    ),
    Plan("catalog", "Translate size charts", 60, triage, age=timedelta(hours=2), spoil=True, filename="size-charts.jsonl"),
    Plan("search", "Summaries with the old key", 40, refused, age=timedelta(minutes=95)),
    Plan(
        "support", "Answers that nobody waits for any more", 900, triage, "demo-slow", age=timedelta(minutes=48), cancelled=True
    ),
    Plan("search", "Label the long tail", 700, triage, "demo-slow", age=DAY - timedelta(seconds=45)),
    Plan("support", "Rewrite macros in plain language", 60, triage, "demo-limited", age=timedelta(minutes=12)),
    Plan(
        "catalog",
        "Describe 1,600 product photos",
        1600,
        unreliable,
        "demo-slow",
        metadata={"season": "autumn", "locale": "de-AT"},
    ),
    Plan("catalog", "Sort 4,000 reviews at the price of batches", 4000, triage, BATCH_API, execution="hybrid"),
    Plan("support", "", 12, triage, filename="smoke-test.jsonl"),
)


class Command(BaseCommand):
    help = "Fill the portal with batches in every state, made of simulated answers. A running portal carries them out."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--wait", type=float, default=20.0, metavar="SECONDS", help="For a batch to run before it is cancelled."
        )

    def handle(self, *_args: object, wait: float, **_options: Any) -> None:
        now = timezone.now()
        keys = {project: issue_key(project, name=name, actor=ACTOR, now=now)[0] for project, name in KEYS.items()}
        projects = [key.project for key in keys.values()]
        for name, settings in PROVIDERS.items():
            if not Provider.objects.filter(name=name).exists():
                add_provider(
                    name, adapter="simulator", actor=ACTOR, now=now, projects=projects, default=name == "demo-steady", **settings
                )
        _add_batch_api(keys["catalog"].project, now=now)
        batches = [(plan, start(plan, key=keys[plan.project], now=now)) for plan in PLANS]
        self.stdout.write(f"Started {len(batches)} batches in the projects {', '.join(KEYS)}.")
        for plan, batch in batches:
            if plan.cancelled:
                _cancel_in_mid_run(batch, patience=wait)


def _add_batch_api(project: Project, *, now: datetime) -> None:
    """Add the provider with a batch API, for a project whose requests may be stored there."""
    if Provider.objects.filter(name=BATCH_API).exists():
        return
    key, plain = issue_key(BEHIND_IT, name=BATCH_API, actor=ACTOR, now=now)
    steady = Provider.objects.get(name="demo-steady")
    grant(steady, project=key.project, actor=ACTOR, now=now, default=True)
    there = add_provider(
        BATCH_API, adapter="openai", base_url=f"{own_url()}/v1", credential=plain, actor=ACTOR, now=now, projects=[project]
    )
    tune_provider(there, settings={"jobs_family": "batchyard", "jobs_region": "this portal"}, actor=ACTOR, now=now)
    set_delegation(project, settings={"may_delegate": True}, actor=ACTOR, now=now)
    project.refresh_from_db()


def start(plan: Plan, *, key: ApiKey, now: datetime) -> Batch:
    """Submit a batch of the demo, with a creation time in the past."""
    created_at = now - plan.age
    with TemporaryFile() as content:
        content.writelines(_lines(plan))
        content.flush()
        content.seek(0)
        file = store(
            Content(content, name=plan.filename),
            project=key.project,
            purpose=Purpose.BATCH,
            filename=plan.filename,
            now=created_at,
            key=key,
        )
    submission = Submission(
        project=key.project,
        dialect=Dialect.OPENAI,
        endpoint=plan.endpoint,
        completion_window="24h",
        window=DAY,
        metadata=plan.metadata or None,
        provider_name=plan.provider,
        remark=plan.remark,
        execution=plan.execution,
    )
    return submit(submission, input_file=file, actor=Actor(f"key {key.name}", Source.COMMAND), now=created_at, key=key)


def _lines(plan: Plan) -> Iterator[bytes]:
    for number in range(plan.count):
        if plan.spoil and number % 9 == 4:
            yield b'{"custom_id": "item-%d", "method": "POST", "url": \n' % number
            continue
        custom_id = f"item-{number // 2 if plan.spoil else number:05}"
        line = {"custom_id": custom_id, "method": "POST", "url": plan.endpoint, "body": plan.body(number)}
        yield json.dumps(line, ensure_ascii=False).encode() + b"\n"


def _cancel_in_mid_run(batch: Batch, *, patience: float) -> None:
    """Cancel a batch after some of its objects have settled. If no portal is running, cancel it after the patience."""
    deadline = monotonic() + patience
    while monotonic() < deadline and not batch.slices.filter(succeeded__gt=0).exists():
        sleep(0.25)
    batch.refresh_from_db()
    try:
        cancel(batch, actor=ACTOR, now=timezone.now(), note="The campaign was called off.")
    except Conflict:
        return  # it was over before
