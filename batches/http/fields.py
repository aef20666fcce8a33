"""Fields for the parameters of calls. They are strict about types, and their messages tell the expected value."""

import re
from collections.abc import Iterable, Mapping
from datetime import timedelta
from pathlib import PurePosixPath
from typing import Any, NamedTuple

from django.conf import settings
from django.http import QueryDict
from rest_framework import serializers

from batches.http.errors import InvalidType, InvalidValue, UnknownParameter
from batches.models.webhook import WEBHOOK_URL_CHARS
from batches.rules.errors import InvalidRequest
from batches.rules.execution import Execution
from batches.services.webhooks.receivers import require_receiver

UNKNOWN = "unknown"  # the code of the problem "unknown parameter"
METADATA_PAIRS = 16
METADATA_KEY_CHARS = 64
METADATA_VALUE_CHARS = 512
FILENAME_CHARS = 255
MIN_LIFETIME_SECONDS = 3_600
MAX_LIFETIME_SECONDS = 30 * 86_400
WINDOW_PATTERN = "[1-9][0-9]{0,6}[mhd]"
MIN_WINDOW = timedelta(minutes=15)
_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}

_NOTHING: dict[str, Any] = {"null": "It must not be null.", "blank": "It must not be empty."}


class Text(serializers.CharField):
    """A JSON string. Other values are refused instead of being converted."""

    def __init__(self, **options: Any) -> None:
        messages = {"invalid": "It must be a string.", "max_length": "It may have {max_length} characters."}
        super().__init__(trim_whitespace=False, error_messages={**_NOTHING, **messages}, **options)

    def to_internal_value(self, data: object) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class OneOf(serializers.ChoiceField):
    """One of a few words."""

    def __init__(self, words: Iterable[str], **options: Any) -> None:
        words = list(words)
        message = f"It must be one of {', '.join(words)}." if len(words) > 1 else f"It must be {words[0]}."
        messages = {"invalid_choice": message, "invalid": "It must be a string."}
        super().__init__(choices=words, error_messages={**_NOTHING, **messages}, **options)

    def to_internal_value(self, data: object) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        word: str = super().to_internal_value(data)
        return word


class Flag(serializers.BooleanField):
    """A JSON boolean. No other value is converted to one."""

    def to_internal_value(self, data: object) -> bool:
        if not isinstance(data, bool):
            raise serializers.ValidationError("It must be true or false.", code="invalid")
        return data


class HowToRun(OneOf):
    """Who makes the calls of a batch; null or nothing leaves it to the project and the provider."""

    def __init__(self, **options: Any) -> None:
        super().__init__(Execution.values, required=False, allow_null=True, default=None, **options)


class CallbackUrl(Text):
    """The URL that is told of a batch's end; null or nothing for none. One that nothing may be sent to is refused."""

    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=WEBHOOK_URL_CHARS, required=False, allow_null=True, default=None, **options)

    def to_internal_value(self, data: object) -> str:
        try:
            return require_receiver(super().to_internal_value(data), param="callback_url")
        except InvalidRequest as error:
            raise serializers.ValidationError(error.message, code="url") from None


class EndpointPath(Text):
    """The endpoint of a batch: a path. The project decides which endpoints are allowed (`endpoints.require_endpoint`)."""

    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=100, **options)


class WholeNumber(serializers.IntegerField):
    """A JSON integer, not a string, a boolean or a number with a fraction."""

    def __init__(self, *, minimum: int, maximum: int | None = None, **options: Any) -> None:
        bounds = f"It must be at least {minimum}." if maximum is None else f"It must be from {minimum} to {maximum}."
        messages = {"invalid": "It must be an integer.", "min_value": bounds, "max_value": bounds}
        super().__init__(min_value=minimum, max_value=maximum, error_messages={**_NOTHING, **messages}, **options)

    def to_internal_value(self, data: object) -> int:
        if not isinstance(data, int) or isinstance(data, bool):
            self.fail("invalid")
        return super().to_internal_value(data)


class CompletionWindow(NamedTuple):
    """The time that a batch may take: the word that the client sent, and the length that it means."""

    word: str
    length: timedelta


USUAL_WINDOW = CompletionWindow("24h", timedelta(hours=24))


class AnyCompletionWindow(Text):
    """A window in minutes, hours or days (`90m`, `24h`, `7d`), from 15 minutes to MAX_WINDOW_HOURS."""

    def to_internal_value(self, data: object) -> CompletionWindow:  # type: ignore[override]  # the word and its meaning
        word = super().to_internal_value(data)
        is_one = re.fullmatch(WINDOW_PATTERN, word, re.ASCII)
        length = int(word[:-1]) * _UNITS[word[-1]] if is_one else timedelta()
        if not MIN_WINDOW <= length <= timedelta(hours=settings.MAX_WINDOW_HOURS):
            raise serializers.ValidationError(f"It must be {window_rule()}.", code="window")
        return CompletionWindow(word, length)


def window_rule() -> str:
    """The rule for windows, as text for people."""
    return f"a time such as 90m, 24h or 7d, a whole number of m, h or d, from 15m to {longest_window()}"


def longest_window() -> str:
    """The longest window, in days if it is a whole number of days, else in hours."""
    hours = settings.MAX_WINDOW_HOURS
    return f"{hours}h" if hours % 24 else f"{hours // 24}d"


class Metadata(serializers.Field[dict[str, str], Any, Any, Any]):
    """Up to 16 pairs of strings, keys of up to 64 characters and values of up to 512; null for none."""

    default_error_messages = {  # noqa: RUF012 - declared so by the base class
        "invalid": "It must be an object whose values are strings.",
        "pairs": f"It may have {METADATA_PAIRS} pairs.",
        "key": f"A key may have {METADATA_KEY_CHARS} characters.",
        "value": f"A value may have {METADATA_VALUE_CHARS} characters.",
    }

    def __init__(self) -> None:
        super().__init__(required=False, allow_null=True, default=None)

    def to_internal_value(self, data: object) -> dict[str, str]:
        if not isinstance(data, dict) or not all(isinstance(value, str) for value in data.values()):
            self.fail("invalid")
        if len(data) > METADATA_PAIRS:
            self.fail("pairs")
        if any(len(key) > METADATA_KEY_CHARS for key in data):
            self.fail("key")
        if any(len(value) > METADATA_VALUE_CHARS for value in data.values()):
            self.fail("value")
        return data


class Fields(serializers.Serializer[Any]):
    """What a call says. A name that is not known is refused: nothing that a client asks for is ignored."""

    def to_internal_value(self, data: Any) -> Any:
        for name in data if isinstance(data, Mapping) else ():
            if name not in self.fields:
                raise serializers.ValidationError({str(name)[:100]: "There is no such parameter."}, code=UNKNOWN)
        return super().to_internal_value(data)


class Lifetime(Fields):
    """`{"anchor": "created_at", "seconds": n}`: how long a file is kept, from its own creation."""

    default_error_messages = {"invalid": "It must be an object with anchor and seconds."}  # noqa: RUF012

    anchor = OneOf(["created_at"])
    seconds = WholeNumber(minimum=MIN_LIFETIME_SECONDS, maximum=MAX_LIFETIME_SECONDS)

    def __init__(self) -> None:
        super().__init__(required=False, allow_null=True, default=None)

    def to_internal_value(self, data: Any) -> timedelta:
        return timedelta(seconds=super().to_internal_value(data)["seconds"])


class Filename(Text):
    """A file's name. Folders and unprintable characters are removed from it."""

    def to_internal_value(self, data: object) -> str:
        return clean_filename(super().to_internal_value(data))


def clean_filename(name: str) -> str:
    """The last part of a path as a file name: at most 255 printable characters, and never empty."""
    last = re.split(r"[/\\]", name.replace("\0", ""))[-1]
    printable = "".join(character for character in last if character.isprintable()).strip()
    if printable in ("", ".", ".."):
        return "upload"
    suffix = PurePosixPath(printable).suffix[:16]
    return printable if len(printable) <= FILENAME_CHARS else printable[: FILENAME_CHARS - len(suffix)] + suffix


def valid(serializer: type[serializers.Serializer[Any]], data: object) -> dict[str, Any]:
    """The validated data. Raises DRF's ValidationError."""
    checked = serializer(data=data)
    checked.is_valid(raise_exception=True)
    return dict(checked.validated_data)


def valid_so_far(serializer: type[Fields], data: Mapping[str, Any]) -> dict[str, Any]:
    """Validate the fields that have arrived so far, one by one. Raises ValidationError, also for an unknown name."""
    known, found = serializer().fields, {}
    for name, value in data.items():
        try:
            if name not in known:
                raise serializers.ValidationError("There is no such parameter.", code=UNKNOWN)
            found[name] = known[name].run_validation(value)
        except serializers.ValidationError as problem:
            raise serializers.ValidationError({name[:100]: problem.detail}) from None
    return found


def form_fields(form: QueryDict, files: Iterable[str], *, names: Iterable[str], lifetime: str | None = None) -> dict[str, Any]:
    """The text fields of a form with files. `lifetime` is the name of a field that a form writes in parts.

    `names` are the known fields. `files` are the names of unexpected files. Raises InvalidRequest with the name of the field
    if a field is unknown, is given twice, or is a file instead of text.
    """
    found: dict[str, Any] = {}
    spellings = {spelling for part in _PARTS for spelling in _spellings(lifetime, part)} if lifetime else set()
    files = set(files)
    for name in (*form, *files):
        shown = name[:100]
        if lifetime and name == lifetime:
            right = f"{lifetime}[anchor]=created_at and {lifetime}[seconds]=NUMBER"
            raise InvalidType(f"Invalid value for '{lifetime}': a form spells it as {right}.", param=lifetime)
        if name not in names and name not in spellings:
            raise UnknownParameter(f"Unknown parameter: '{shown}'.", param=shown)
        if name in files:
            raise InvalidType(f"Invalid value for '{shown}': it must be text, not a file.", param=shown)
        if len(form.getlist(name)) > 1:
            raise InvalidValue(f"Invalid value for '{shown}': it is given more than once.", param=shown)
        if name in names and name in form:
            found[name] = form[name]
    if lifetime and (spelt := _lifetime(form, lifetime)):
        found[lifetime] = spelt
    return found


_PARTS = ("anchor", "seconds")


def _spellings(name: str, part: str) -> tuple[str, str]:
    """The two names that forms use for a part of a field."""
    return f"{name}[{part}]", f"{name}.{part}"


def _lifetime(form: QueryDict, name: str) -> dict[str, Any] | None:
    found: dict[str, Any] = {}
    for part in _PARTS:
        for spelling in _spellings(name, part):
            if spelling in form and part in found:
                raise InvalidValue(f"Invalid value for '{spelling}': it is given more than once.", param=spelling)
            if spelling in form:
                found[part] = form[spelling]
    if re.fullmatch(r"-?[0-9]{1,18}", text := found.get("seconds", ""), re.ASCII):
        found["seconds"] = int(text)
    return found or None
