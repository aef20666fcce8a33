"""Create calls of the native API: reading and checking one, and making its submission, or the findings of a dry run."""

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
from batches.rules.lines.jsonl import Line, read_lines
from batches.rules.lines.line_rules import LineChecker, LineRules, Problem
from batches.services.core.access import Right
from batches.services.core.route import route
from batches.services.intake.check_input import Findings, check_file, check_lines, check_quotas
from batches.services.intake.extras import NO_EXTRAS, Extras, asked_extras, checked_extras, fitting_extras
from batches.services.intake.input_rules import input_rules
from batches.services.intake.submission import Submission
from batches.services.intake.submit import usable_model
from batches.services.policy.estimate import Estimate
from batches.services.policy.execution import chosen_at_submit
from batches.services.policy.guards import OwnGuards
from providers.models import Provider

T = TypeVar("T")


class ExtrasFields(TypedDict):
    """The member `extras` of a create call, after its check."""

    betas: list[str]
    version: str
    user_profile: str


class CreateFields(TypedDict, total=False):
    """The members of a create call besides its requests, as `CreateBatch` parses them. Invalid members are left out."""

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
    extras: ExtrasFields | None
    callback_url: str | None
    execution: str | None
    dry_run: bool


@dataclass(slots=True)
class CreateCall:
    """A create call, and the rows that it names. `errors` are its problems, except those of its requests."""

    fields: CreateFields = field(default_factory=CreateFields)
    errors: list[PortalError] = field(default_factory=list)
    project: Project | None = None
    provider: Provider | None = None
    file: File | None = None
    extras: Extras = NO_EXTRAS
    default_model: str = ""

    @property
    def rules(self) -> LineRules | None:
        """The rules for the lines of the batch; None if the endpoint is not known."""
        endpoint = self.fields.get("endpoint")
        if not endpoint:
            return None
        return input_rules(dialect=Dialect.NATIVE, endpoint=endpoint, provider=self.provider, default_model=self.default_model)

    @property
    def skips(self) -> bool:
        """Whether invalid requests are skipped, and do not refuse the call."""
        return bool(self.fields.get("on_invalid") == OnInvalid.SKIP)

    def submission(self, *, requests: int = 0) -> Submission:
        """The submission of a call without errors. `requests` is the number of requests in the call itself."""
        fields, window = self.fields, self.fields["completion_window"]
        assert self.project is not None
        assert self.provider is not None
        return Submission(
            project=self.project,
            dialect=Dialect.NATIVE,
            endpoint=fields["endpoint"],
            completion_window=window.word,
            window=window.length,
            metadata=fields["metadata"],
            provider_name=self.provider.name,
            remark=fields["remark"],
            priority=fields["priority"],
            guards=fields["guards"] or OwnGuards(),
            extras=self.extras,
            model=fields["model"],
            on_invalid=OnInvalid(fields["on_invalid"]),
            execution=fields["execution"] or "",
            callback_url=fields["callback_url"] or "",
            requests=requests,
        )

    def attempt(self, step: Callable[[], T]) -> T | None:
        """The result of a step. If it raises, its error is added to `errors`, and the result is None."""
        try:
            return step()
        except PortalError as error:
            self.errors.append(error)
            return None


def call_of_body(body: InlineBody, *, headers: Mapping[str, str], caller: Caller, now: datetime) -> CreateCall:
    """The create call of a body that was read to its end."""
    call = CreateCall()
    _read_fields(body.head, call)
    call.errors += _source_errors(body, call)
    call.extras = call.attempt(lambda: _extras(call, headers)) or NO_EXTRAS
    _look_up(call, caller=caller, now=now)
    return call


def call_of_head(head: Mapping[str, Any], *, caller: Caller, now: datetime) -> CreateCall:
    """The create call of the members before the requests. A member that is missing is no error, since it may follow."""
    call = CreateCall()
    _read_fields(head, call, partial=True)
    _look_up(call, caller=caller, now=now)
    return call


def _look_up(call: CreateCall, *, caller: Caller, now: datetime) -> None:
    """Find the project, the file and the provider that the call names."""
    project = call.attempt(lambda: caller.project(call.fields.get("project"), act="create_batch"))
    if project is None:
        return
    call.project = project
    if file_id := call.fields.get("input_file_id"):
        call.file = call.attempt(lambda: _input_file(caller, file_id, project=project, now=now))
    if endpoint := call.fields.get("endpoint"):
        name = call.fields.get("provider") or provider_of_model(project, call.fields.get("model"))
        provider = call.attempt(lambda: route(project, endpoint=endpoint, name=name))
        if provider is not None:
            call.provider = provider
            model = call.fields.get("model")
            call.default_model = call.attempt(lambda: usable_model(model, endpoint=endpoint, provider=provider)) or ""
            wish = call.fields.get("execution") or ""
            call.attempt(lambda: chosen_at_submit(wish, project=project, provider=provider, endpoint=endpoint))


def _read_fields(head: Mapping[str, Any], call: CreateCall, *, partial: bool = False) -> None:
    known = CreateBatch(partial=partial).fields
    found: dict[str, Any] = {}
    for name in head:
        if name not in known and name != ARRAY:
            call.errors.append(UnknownParameter(f"There is no parameter {name[:100]!r}.", param=name[:100]))
    for name, declared in known.items():
        try:
            found[name] = declared.run_validation(head.get(name, empty))
        except ValidationError as problem:
            call.errors.append(first_problem(ValidationError({name: problem.detail})))
        except SkipField:
            continue
    call.fields = cast("CreateFields", found)


def _source_errors(body: InlineBody, call: CreateCall) -> Iterator[PortalError]:
    """The problems with the source of the requests, which is either a file or the call itself."""
    from_file = call.fields.get("input_file_id") is not None
    if ARRAY in body.head:
        yield InvalidType(f"Invalid value for '{ARRAY}': it must be an array.", param=ARRAY)
    elif from_file and body.has_array:
        yield InvalidValue(f"Give either input_file_id or {ARRAY}, not both.", param=ARRAY)
    elif not from_file and not body.count:
        yield MissingParameter(f"Give input_file_id, or {ARRAY} with at least one item.", param=ARRAY)


def _extras(call: CreateCall, headers: Mapping[str, str]) -> Extras:
    """The extras in the body; if it has none, those in the headers that Anthropic's clients send."""
    named = call.fields.get("extras")
    extras = asked_extras(headers) if named is None else checked_extras(**named)
    return fitting_extras(extras, endpoint=call.fields.get("endpoint") or "")


def _input_file(caller: Caller, text: str, *, project: Project, now: datetime) -> File:
    file = find_file(caller, text, right=Right.ACT, act="create_batch", now=now, param="input_file_id")
    if file.project_id != project.pk:
        raise InvalidValue(f"File {file} belongs to another project.", param="input_file_id")
    if file.purpose != Purpose.BATCH:
        raise InvalidValue(f"File {file} has purpose {file.purpose}; it must be batch.", param="input_file_id")
    return file


def item_lines(items: "Content[Any]", *, endpoint: str) -> Iterator[Line]:
    """The items of a create call as lines of an input file. `items` has one item on each line."""
    items.seek(0)
    for number, line in enumerate(read_lines(cast(BinaryIO, items), max_line_bytes=settings.MAX_LINE_BYTES), start=1):
        content = input_line(line.content or b"", endpoint=endpoint)
        yield Line(number, 0, 0, content if len(content) <= settings.MAX_LINE_BYTES else None)


def good_lines(items: "Content[Any]", *, rules: LineRules, skips: bool = False) -> Iterator[bytes]:
    """The lines of an input file with these items. Raises InvalidValue for the first invalid item, unless `skips` is True."""
    checker = LineChecker(rules)
    for line in item_lines(items, endpoint=rules.endpoint):
        _, problems = checker.check(line) if not skips else ("", [])
        for problem in problems:
            where = ".".join(filter(None, (ARRAY, str(line.number - 1), problem.param)))
            raise InvalidValue(f"{where}: {problem.message}", param=where)
        assert line.content is not None
        yield line.content + b"\n"


def dry_run_findings(call: CreateCall, items: "Content[Any]") -> Findings:
    """All problems that would refuse the call, or fail the validation of its batch, and an estimate. Nothing is created."""
    findings = Findings()
    for error in call.errors:
        findings.add(Problem(error.code, error.message, error.param or ""))
    if (rules := call.rules) is None:
        return findings
    findings.estimate = Estimate(rules.endpoint, rules.model)
    if call.file is None:
        check_lines(item_lines(items, endpoint=rules.endpoint), rules=rules, findings=findings)
    else:
        check_file(call.file, rules=rules, findings=findings)
    findings.estimate.price(call.provider)
    if call.project is not None:
        check_quotas(call.project, findings, stored_bytes=0 if call.file else items.size)
    return findings
