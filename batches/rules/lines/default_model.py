"""The model of a batch, for requests that name none. Pure rules: every other byte of a body stays as the client wrote it."""

import io

import msgspec

from batches.rules.lines.json_stream import Member, read_members

_Members = dict[str, msgspec.Raw]
_decode_members = msgspec.json.Decoder(_Members).decode


def with_model(body: bytes, model: str) -> bytes:
    """A request body that names this model. The name replaces a null or another spelling, or is put in front if there is none."""
    if not body.startswith(b"{"):
        return body
    value = msgspec.json.encode(model)
    named = _values(body) if b'"model"' in body or b"\\u" in body else []
    if not named:
        comma = b"" if body[1:].lstrip().startswith(b"}") else b","
        return b'{"model":' + value + comma + body[1:]
    for member in reversed(named):
        body = body[: member.start] + value + body[member.start + len(member.value) :]
    return body


def line_with_model(line: bytes, model: str) -> bytes:
    """An input line whose body names this model. A line that cannot be read stays as it is."""
    try:
        members = _decode_members(line)
        body = bytes(members["body"])
        changed = with_model(body, model)
    except (KeyError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return line
    return line if changed == body else msgspec.json.encode({**members, "body": msgspec.Raw(changed)})


def bare_model(model: str | None, *, provider: str) -> str:
    """The model without the provider's name before it; empty if no model is given."""
    return (model or "").removeprefix(f"{provider}/")


def _values(body: bytes) -> list[Member]:
    """All values of the body's member `model`, in order. The member may come twice, and the last one counts."""
    members = read_members(io.BytesIO(body).read, array="", max_value_bytes=len(body))
    return [member for member in members if isinstance(member, Member) and member.name == "model"]
