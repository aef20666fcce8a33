"""Creating a batch: everything that a create call says is checked, and then the batch submitted, or the findings told."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, BinaryIO, TypedDict, TypeVar, cast

from django.conf import settings
from django.core.files import File as Content
from rest_framework.exceptions import ValidationError
from rest_framework.fields import SkipField, empty

from batches.api.access import Caller, find_file
from batches.api.fields.creation import ARRAY, CreateBatch, input_line
from batches.dialects.shared.inline import InlineBody
from batches.dialects.shared.providers import provider_of_model
from batches.http.errors import InvalidType, InvalidValue, MissingParameter, UnknownParameter, first_problem
from batches.http.fields import CompletionWindow
from batches.models import Dialect, File, OnInvalid, Project, Purpose
from batches.rules.errors import PortalError
from batches.rules.jsonl import Line, read_lines
from batches.rules.line_rules import LineChecker, LineRules, Problem
from batches.services.core.access import Right
from batches.services.core.route import route
from batches.services.intake.check_input import Findings, check_file, check_lines, check_quotas
from batches.services.intake.extras import NO_EXTRAS, Extras, asked_extras, checked_extras, fitting_extras
from batches.services.intake.input_rules import input_rules
from batches.services.intake.submission import Submission
from batches.services.intake.submit import usable_model
from batches.services.policy.estimate import Estimate
from batches.services.policy.guards import OwnGuards
from providers.models import Provider

T = TypeVar("T")


class AskedExtras(TypedDict):
    """What the body of a create call asks of the upstream beside the requests."""

    betas: list[str]
    version: str
    user_profile: str


class Asked(TypedDict, total=False):
    """What a create call says besides its requests, as far as it is right, as `CreateBatch` reads it."""

    endpoint: str
    input_file_id: str | None
    completion_window: CompletionWindow
    project: str | None
    provider: str | None
    model: str | None
    on_invalid: str
    metadata: dict[str, str] | None
    remark: str
    priority: int
    guards: OwnGuards | None
    extras: AskedExtras | None
    dry_run: bool


@dataclass(slots=True)
class CreateCall:
    """A batch that does not exist yet. `errors` is all that is wrong with it, besides its requests."""

    asked: Asked = field(default_factory=Asked)
    errors: list[PortalError] = field(default_factory=list)
    project: Project | None = None
    provider: Provider | None = None
    file: File | None = None
    extras: Extras = NO_EXTRAS
    default_model: str = ""

    @property
    def rules(self) -> LineRules | None:
        """What its lines must be; None while its endpoint is not known."""
        endpoint = self.asked.get("endpoint")
        if not endpoint:
            return None
        return input_rules(dialect=Dialect.NATIVE, endpoint=endpoint, provider=self.provider, default_model=self.default_model)

    @property
    def skips(self) -> bool:
        """Whether invalid requests are left out, rather than refuse the batch."""
        return bool(self.asked.get("on_invalid") == OnInvalid.SKIP)

    def submission(self, *, requests: int = 0) -> Submission:
        """The batch that was asked for, with so many requests in the call itself. To be asked where nothing is wrong."""
        asked, window = self.asked, self.asked["completion_window"]
        assert self.project is not None
        assert self.provider is not None
        return Submission(
            project=self.project,
            dialect=Dialect.NATIVE,
            endpoint=asked["endpoint"],
            completion_window=window.word,
            window=window.length,
            metadata=asked["metadata"],
            provider_name=self.provider.name,
            remark=asked["remark"],
            priority=asked["priority"],
            guards=asked["guards"] or OwnGuards(),
            extras=self.extras,
            model=asked["model"],
            on_invalid=OnInvalid(asked["on_invalid"]),
            requests=requests,
        )

    def attempt(self, step: Callable[[], T]) -> T | None:
        """What a step finds; what is wrong with it is kept."""
        try:
            return step()
        except PortalError as error:
            self.errors.append(error)
            return None


def drafted(body: InlineBody, *, headers: Mapping[str, str], caller: Caller, now: datetime) -> CreateCall:
    """The draft of a create call whose body was read."""
    draft = CreateCall()
    _read_fields(body.head, draft)
    draft.errors += _source_errors(body, draft)
    draft.extras = draft.attempt(lambda: _extras(draft, headers)) or NO_EXTRAS
    _look_up(draft, caller=caller, now=now)
    return draft


def sketched(head: Mapping[str, Any], *, caller: Caller, now: datetime) -> CreateCall:
    """The draft of a create call whose first members were read. What the later ones may still give is no error yet."""
    draft = CreateCall()
    _read_fields(head, draft, partial=True)
    _look_up(draft, caller=caller, now=now)
    return draft


def _look_up(draft: CreateCall, *, caller: Caller, now: datetime) -> None:
    """Find what the fields name."""
    project = draft.attempt(lambda: caller.project(draft.asked.get("project"), act="create_batch"))
    if project is None:
        return
    draft.project = project
    if file_id := draft.asked.get("input_file_id"):
        draft.file = draft.attempt(lambda: _input_file(caller, file_id, project=project, now=now))
    if endpoint := draft.asked.get("endpoint"):
        name = draft.asked.get("provider") or provider_of_model(project, draft.asked.get("model"))
        provider = draft.attempt(lambda: route(project, endpoint=endpoint, name=name))
        if provider is not None:
            draft.provider = provider
            asked = draft.asked.get("model")
            draft.default_model = draft.attempt(lambda: usable_model(asked, endpoint=endpoint, provider=provider)) or ""


def _read_fields(head: Mapping[str, Any], draft: CreateCall, *, partial: bool = False) -> None:
    known = CreateBatch(partial=partial).fields
    found: dict[str, Any] = {}
    for name in head:
        if name not in known and name != ARRAY:
            draft.errors.append(UnknownParameter(f"There is no parameter {name[:100]!r}.", param=name[:100]))
    for name, declared in known.items():
        try:
            found[name] = declared.run_validation(head.get(name, empty))
        except ValidationError as problem:
            draft.errors.append(first_problem(ValidationError({name: problem.detail})))
        except SkipField:
            continue
    draft.asked = cast("Asked", found)


def _source_errors(body: InlineBody, draft: CreateCall) -> Iterator[PortalError]:
    """What is wrong with where the requests come from: either a file or the call itself."""
    from_file = draft.asked.get("input_file_id") is not None
    if ARRAY in body.head:
        yield InvalidType(f"Invalid value for '{ARRAY}': it must be an array.", param=ARRAY)
    elif from_file and body.has_array:
        yield InvalidValue(f"Give either input_file_id or {ARRAY}, not both.", param=ARRAY)
    elif not from_file and not body.count:
        yield MissingParameter(f"Give input_file_id, or {ARRAY} with at least one item.", param=ARRAY)


def _extras(draft: CreateCall, headers: Mapping[str, str]) -> Extras:
    """What the body asks for beside the requests, else what the headers of Anthropic's clients do."""
    named = draft.asked.get("extras")
    extras = asked_extras(headers) if named is None else checked_extras(**named)
    return fitting_extras(extras, endpoint=draft.asked.get("endpoint") or "")


def _input_file(caller: Caller, text: str, *, project: Project, now: datetime) -> File:
    file = find_file(caller, text, right=Right.ACT, act="create_batch", now=now, param="input_file_id")
    if file.project_id != project.pk:
        raise InvalidValue(f"File {file} belongs to another project.", param="input_file_id")
    if file.purpose != Purpose.BATCH:
        raise InvalidValue(f"File {file} has purpose {file.purpose}; it must be batch.", param="input_file_id")
    return file


def item_lines(items: "Content[Any]", *, endpoint: str) -> Iterator[Line]:
    """The items of a create call as lines of an input file; `items` has one a line."""
    items.seek(0)
    for number, line in enumerate(read_lines(cast(BinaryIO, items), max_line_bytes=settings.MAX_LINE_BYTES), start=1):
        content = input_line(line.content or b"", endpoint=endpoint)
        yield Line(number, 0, 0, content if len(content) <= settings.MAX_LINE_BYTES else None)


def good_lines(items: "Content[Any]", *, rules: LineRules, skips: bool = False) -> Iterator[bytes]:
    """The items as an input file. Raises InvalidValue for the first that is not what it should be, unless those are skipped."""
    checker = LineChecker(rules)
    for line in item_lines(items, endpoint=rules.endpoint):
        _, problems = checker.check(line) if not skips else ("", [])
        for problem in problems:
            where = ".".join(filter(None, (ARRAY, str(line.number - 1), problem.param)))
            raise InvalidValue(f"{where}: {problem.message}", param=where)
        assert line.content is not None
        yield line.content + b"\n"


def rehearse(draft: CreateCall, items: "Content[Any]") -> Findings:
    """Look at everything that creating the batch, and its validation later, would look at."""
    findings = Findings()
    for error in draft.errors:
        findings.add(Problem(error.code, error.message, error.param or ""))
    if (rules := draft.rules) is None:
        return findings
    findings.estimate = Estimate(rules.endpoint, rules.model)
    if draft.file is None:
        check_lines(item_lines(items, endpoint=rules.endpoint), rules=rules, findings=findings)
    else:
        check_file(draft.file, rules=rules, findings=findings)
    findings.estimate.price(draft.provider)
    if draft.project is not None:
        check_quotas(draft.project, findings, stored_bytes=0 if draft.file else items.size)
    return findings
