"""A tenant whose texts are all canaries, the ids and names of its things, and visitors who may ask for them.

The canary is put into every text column of every table, so that a new column is tested without a change here.
"""

import json
import re
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import quote, quote_plus

from django.apps import apps
from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.contrib.messages import get_messages
from django.db.models import CharField, Model, TextField
from django.http.response import HttpResponseBase
from django.test import Client
from django.utils import timezone

from batches.models import ApiKey, Batch, Membership, Project, Role, Scope
from batches.rules import identifiers
from providers.models import Provider
from tests.security.routes import Address

CANARY = "canary-7f3a"
UNKNOWN = uuid.UUID(int=0)
# Columns that hold no text of a tenant, since the engine, the storage or Django reads them.
READ_BY_PROGRAMS = {
    *("adapter", "auth_header", "auth_scheme", "base_url", "content", "digest", "dialect", "endpoint", "fingerprint", "input"),
    *(
        "completion_window",
        "credential",
        "credential_env",
        "credential_file",
        "password",
        "prefix",
        "purpose",
        "path",
        "scopes",
        "addresses",
        "mime_type",
        "body",
    ),
    *(
        "query",
        "state",
        "token",
        "refused_address",
        "currency",
        "id_path",
        "storage",
        "codec",
        "kind",
        "source",
        "act",
        "language",
    ),
}
# Tables that belong to the portal, and not to a tenant.
PORTALS = {"worker", "claimedflags", "contenttype", "permission", "group", "session", "logentry", "site"}

Pair = tuple[str, str]  # an id or name of the tenant's, and one that does not exist


def _texts(model: type[Model]) -> Iterator[str]:
    """The text columns that may hold a tenant's words."""
    for column in model._meta.concrete_fields:
        long_enough = isinstance(column, TextField) or (
            isinstance(column, CharField) and (column.max_length or 0) > len(CANARY) + 4
        )
        if long_enough and not column.choices and column.name not in READ_BY_PROGRAMS and not column.primary_key:
            yield column.name


def models() -> list[type[Model]]:
    """Every table that may have rows of a tenant."""
    own: list[type[Model]] = [*apps.get_app_config("batches").get_models(), *apps.get_app_config("providers").get_models(), User]
    return [model for model in own if model._meta.model_name not in PORTALS]


def fill_with_canaries(*, but: Provider) -> None:
    """Put the canary into every text of every row, except the rows of one provider, which everybody may use."""
    for model in models():
        rows = model._default_manager.all()
        rows = rows.exclude(pk=but.pk) if model is Provider else rows
        for number, key in enumerate(rows.values_list("pk", flat=True), start=1):
            texts = dict.fromkeys(_texts(model), f"{CANARY}-{number}")
            if texts:
                model._default_manager.filter(pk=key).update(**texts)


@dataclass(frozen=True)
class Tenant:
    """The things of a project, by the names of the placeholders in addresses."""

    project: Project
    batch: Batch
    provider: Provider  # a provider that no other project may use
    rows: Mapping[type[Model], Model] = field(repr=False)
    ids: frozenset[str] = field(repr=False)  # the ids of every row, as hex

    @cached_property
    def things(self) -> dict[str, Pair]:
        """For each placeholder of addresses: a value of the tenant, and one that does not exist. Add a pair for a new one."""
        batch, of = self.batch, self._of
        nothing, model = str(UNKNOWN), str(ContentType.objects.get_for_model(Batch).pk)
        return {
            "batch_id": (str(batch), identifiers.render("batch_", UNKNOWN)),
            "file_id": (str(batch.input_file), identifiers.render("file-", UNKNOWN)),
            "upload_id": (str(of("upload")), identifiers.render("upload_", UNKNOWN)),
            "job_id": (str(of("providerjob").pk), nothing),
            "code": (of("providerjobincident").code, "nothing"),
            "endpoint_id": (str(of("webhookendpoint").pk), nothing),
            "delivery_id": (str(of("webhookdelivery").pk), nothing),
            "subscription_id": (str(of("subscription").pk), nothing),
            "key_id": (str(of("apikey").pk), nothing),
            "stop_id": (str(of("emergencystop").pk), nothing),
            "hold_id": (str(of("legalhold").pk), nothing),
            "erasure_id": (str(of("erasure").pk), nothing),
            "project": (self.project.slug, "nothing-of-it"),
            "operation_id": (str(of("bulkoperation").pk), nothing),
            "slug": (of("savedview").slug, "nothing-of-it"),
            "fingerprint": (of("errorgroup").fingerprint, "v1:" + "0" * 32),
            "name": (self.provider.name, "nothing-of-it"),
            "model": (batch.model or "", "nothing-of-it"),
            "id": (str(of("user").pk), "987654"),
            "line": ("1", "1"),
            "which": ("input", "input"),
            "provider_id": ("nobody", "nowhere"),
            "content_type_id": (model, model),
            "object_id": (str(batch.pk), nothing),
            "app_label": ("batches", "batches"),
            "url": ("nowhere", "nothing"),
        }

    def named(self, address: Address) -> dict[str, Pair]:
        """The values for one address. Raises KeyError for a name without one."""
        found = {name: self.things[name] for name in address.names}
        parts = address.path.split("/")
        if address.face == "admin" and "object_id" in found and parts[2] != "r":
            row = self.rows[apps.get_model(parts[2], parts[3])]
            found["object_id"] = (str(row.pk), str(UNKNOWN) if isinstance(row.pk, uuid.UUID) else "987654")
        if "/models/" in address.path and "name" in found:
            found["name"] = self.things["model"]
        return found

    def _of(self, name: str) -> Any:
        return next(row for model, row in self.rows.items() if model._meta.model_name == name)


def tenant_of(batch: Batch, *, but: Provider) -> Tenant:
    """A tenant that owns all present rows. `but` is the provider that everybody may use."""
    fill_with_canaries(but=but)
    ids = set()
    rows: dict[type[Model], Model] = {}
    for model in (*models(), *(model for model in apps.get_models() if model._meta.model_name in PORTALS)):
        found = [row for row in model._default_manager.order_by("pk") if row != but]
        rows |= {model: found[-1]} if found else {}
        ids |= {row.pk.hex for row in found if isinstance(row.pk, uuid.UUID)} if model in models() else set()
    batch.refresh_from_db()
    project = Project.objects.get(pk=batch.project_id)
    Provider.objects.exclude(pk=but.pk).update(granted_to_all=False)
    hidden = Provider.objects.exclude(pk=but.pk).get()
    rows |= {Batch: batch, Project: project}
    return Tenant(project, batch, hidden, rows, frozenset(ids))


# --- Visitors ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Visitor:
    """A visitor with a key, with a session, or with neither. Each call uses a new browser."""

    name: str
    key: str = ""
    session: str = ""

    def __str__(self) -> str:
        return self.name

    def ask(
        self,
        method: str,
        path: str,
        *,
        form: Mapping[str, Any] | None = None,
        document: object = None,
        account: str = "simulator",
    ) -> HttpResponseBase:
        """Send a form, or else JSON; `account` is the linked account of the Merge dialect."""
        client = Client(raise_request_exception=False)
        if self.session:
            client.cookies = SimpleCookie({settings.SESSION_COOKIE_NAME: self.session})
        headers = {"Authorization": f"Bearer {self.key}", "x-api-key": self.key} if self.key else {}
        headers |= {"X-Account-Token": account}
        headers |= {"anthropic-version": "2023-06-01"} if "/messages" in path or path.startswith("/anthropic") else {}
        if form is not None:
            answer: Any = client.post(path, form, headers=headers)
        else:
            body = b"" if method in ("GET", "DELETE") else json.dumps(document or {}).encode()
            answer = client.generic(method, path, body, content_type="application/json", headers=headers)
        found: HttpResponseBase = answer
        return found


def programs(project: Project) -> list[Visitor]:
    """Programs with keys of a project: with all scopes, with each scope alone, and with expired and revoked keys."""
    now = timezone.now()
    made = {"key": ApiKey.issue(project=project, name="all")[1]}
    made |= {f"key to {scope}": ApiKey.issue(project=project, name=scope, scopes=[scope])[1] for scope in Scope.values}
    made["expired key"] = ApiKey.issue(project=project, name="expired", expires_at=now - timedelta(days=1))[1]
    (revoked, made["revoked key"]) = ApiKey.issue(project=project, name="revoked")
    ApiKey.objects.filter(pk=revoked.pk).update(revoked_at=now)
    return [Visitor(name, key=plain) for name, plain in made.items()]


def people(project: Project) -> list[Visitor]:
    """People with and without a project, each with and without access to the admin."""
    found = [_person(role, project=project, role=role) for role in Role.values]
    found += [_person("member of nothing"), _person("staff of nothing", is_staff=True)]
    return [*found, _person("staff", project=project, role=Role.ADMIN, is_staff=True)]


def _person(name: str, *, project: Project | None = None, role: str = "", is_staff: bool = False) -> Visitor:
    person = User.objects.create_user(f"other {name}", is_staff=is_staff)
    if project:
        Membership.objects.create(user=person, project=project, role=role)
    return visitor_of(person, name=name)


def visitor_of(person: User, *, name: str) -> Visitor:
    """A visitor who is signed in."""
    client = Client()
    client.force_login(person)
    return Visitor(name, session=client.cookies[settings.SESSION_COOKIE_NAME].value)


NOBODY = Visitor("nobody")


# --- Texts of answers ------------------------------------------------------------------------------------------------

# Parts that differ between any two answers: tokens, ids of new rows, times.
_ONE_OFF = re.compile(
    r'(?<=name="csrfmiddlewaretoken" value=")\w+|\breq_\w+|[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}'
    r"|\b\d{10}\b|\d{4}-\d\d-\d\dT[\d:.]+(?:Z|\+00:00)?|<time [^>]*>[^<]*</time>|\"latency\":\d+"
)


@dataclass(frozen=True, slots=True)
class AnswerText:
    """The status and the text of an answer, without the ids that the request named."""

    status: int
    text: str

    def leaks(self, tenant: Tenant) -> list[str]:
        """The ids and secrets of a tenant in the text."""
        plain = self.text.replace("-", "")
        return [word for word in (CANARY.replace("-", ""), *tenant.ids) if word in plain]

    @property
    def gist(self) -> tuple[int, str]:
        """The status, and the text without parts that differ from answer to answer."""
        return self.status, _ONE_OFF.sub("", self.text)


def text_of(answer: HttpResponseBase, *asked: str) -> AnswerText:
    """The text of an answer: its body, the address it redirects to, and its messages for the next page."""
    body = answer.getvalue() if answer.streaming else answer.content  # type: ignore[attr-defined]
    text = "\n".join((body.decode(errors="replace"), answer.headers.get("Location", ""), *_messages(answer)))
    for form in sorted({form for value in asked for form in _spelled(value)}, key=len, reverse=True):
        text = re.sub(rf"(?:(?<!\w)|(?<=%3D)){re.escape(form)}(?!\w)", "…", text)  # %3D: an equals sign within a parameter
    return AnswerText(answer.status_code, text)


def _messages(answer: Any) -> list[str]:
    request = answer.wsgi_request
    return [str(message) for message in get_messages(request)] if hasattr(request, "_messages") else []


def _spelled(value: str) -> set[str]:
    """The spellings of an id in answers."""
    key = identifiers.parse(value)
    return {value, quote(value), quote_plus(quote(value)), *([str(key), key.hex] if key else [])} - {""}
