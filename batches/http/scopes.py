"""Scopes: the scope that a key must have for each call of each API, and whether the call brings in new work or files.

One table serves all dialects and the native API, since one path means the same in all of them. A call without a row is
refused.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from batches.models import ApiKey, Scope
from batches.rules.errors import NotPermitted


@dataclass(frozen=True, slots=True)
class Need:
    """The scope that a key must have for a call. A call that takes something in is refused while intake is stopped."""

    scope: Scope
    takes_in: bool = False


READ = Need(Scope.READ)
SUBMIT = Need(Scope.SUBMIT, takes_in=True)
GIVE_UP = Need(Scope.SUBMIT)  # cancels an upload that was not completed
OPERATE = Need(Scope.OPERATE)
RETRY = Need(Scope.OPERATE, takes_in=True)

# The needs of calls, by their path behind the base URL of the API. An asterisk stands for an id or a name.
NEEDS: Mapping[str, Mapping[str, Need]] = {
    "models": {"GET": READ},
    "models/*": {"GET": READ},
    "files": {"GET": READ, "POST": SUBMIT},
    "files/*": {"GET": READ, "DELETE": OPERATE},
    "files/*/content": {"GET": READ},
    "uploads": {"POST": SUBMIT},
    "uploads/*/parts": {"POST": SUBMIT},
    "uploads/*/complete": {"POST": SUBMIT},
    "uploads/*/cancel": {"POST": GIVE_UP},
    "batches": {"GET": READ, "POST": SUBMIT},
    "batches/*": {"GET": READ, "PATCH": OPERATE},
    "batches/*/cancel": {"POST": OPERATE},
    "batches/*/results": {"GET": READ},
    # Webhooks. Reading needs more than the scope `read`, because the address of a receiver may contain its secret.
    "webhook_event_types": {"GET": READ},
    "webhook_endpoints": {"GET": OPERATE, "POST": OPERATE},
    "webhook_endpoints/*": {"GET": OPERATE, "POST": OPERATE, "PATCH": OPERATE, "DELETE": OPERATE},
    "webhook_endpoints/*/rotate_secret": {"POST": OPERATE},
    "webhook_endpoints/*/test": {"POST": OPERATE},
    "webhook_endpoints/*/deliveries": {"GET": OPERATE},
    "webhook_endpoints/*/deliveries/*": {"GET": OPERATE},
    "webhook_endpoints/*/deliveries/*/redeliver": {"POST": OPERATE},
    # Anthropic's
    "messages/batches": {"GET": READ, "POST": SUBMIT},
    "messages/batches/*": {"GET": READ, "DELETE": OPERATE},
    "messages/batches/*/cancel": {"POST": OPERATE},
    "messages/batches/*/results": {"GET": READ},
    # Merge's
    "invoices/bulk": {"POST": SUBMIT},
    "invoices/bulk/*": {"GET": READ},
    "expenses/bulk": {"POST": SUBMIT},
    "expenses/bulk/*": {"GET": READ},
    "item-fulfillments/bulk": {"POST": SUBMIT},
    "item-fulfillments/bulk/*": {"GET": READ},
    "sales-orders/bulk": {"POST": SUBMIT},
    "sales-orders/bulk/*": {"GET": READ},
    # The native API's own
    "batches/*/pause": {"POST": OPERATE},
    "batches/*/resume": {"POST": OPERATE},
    "batches/*/retry": {"POST": RETRY},
    "batches/*/reroute": {"POST": OPERATE},
    "batches/*/prioritise": {"POST": OPERATE},
    "batches/*/objects": {"GET": READ},
    "batches/*/objects/*": {"GET": READ},
    "batches/*/export": {"GET": READ},
    "batches/*/errors": {"GET": READ},
    "batches/*/error-groups": {"GET": READ},
    "batches/*/events": {"GET": READ},
    "batches/*/provider_jobs": {"GET": READ},
    "batches/*/provider_jobs/*/take_back": {"POST": OPERATE},
    "batches/*/provider_jobs/*/poll": {"POST": OPERATE},
    "batches/*/lineage": {"GET": READ},
    "batches/*/lineage/results": {"GET": READ},
    "batches/*/lineage/results.jsonl": {"GET": READ},
    "error-groups": {"GET": READ},
    "error-groups/*": {"GET": READ},
    "error-groups/*/objects": {"GET": READ},
    "error-groups/*/mute": {"POST": OPERATE},
    "error-groups/*/unmute": {"POST": OPERATE},
    "error-groups/*/note": {"POST": OPERATE},
    "quotas": {"GET": READ},
    "providers": {"GET": READ},
    "providers/*": {"GET": READ},
    "providers/*/check": {"POST": OPERATE},
    "providers/*/resume": {"POST": OPERATE},
    "search": {"GET": READ},
    # Kept data. Reading legal holds and erasures needs more than the scope `read`, because of their reasons.
    "retention": {"GET": READ, "PATCH": OPERATE},
    "disk_use": {"GET": READ},
    "legal_holds": {"GET": OPERATE, "POST": OPERATE},
    "legal_holds/*": {"GET": OPERATE},
    "legal_holds/*/release": {"POST": OPERATE},
    "erasures": {"GET": OPERATE, "POST": OPERATE},
    "erasures/*": {"GET": OPERATE},
    "stops": {"GET": READ},
}

_BASE = re.compile(r"/?(?:.*?\bv1/|openai/)")  # the base of any API; Azure's client writes no version
_NAMED = re.compile(r"<[^>]*>|\{[^}]*\}")


class InsufficientScope(NotPermitted):
    """The API key lacks the scope that this call needs."""

    code = "insufficient_scope"


def need_of(route: str, method: str) -> Need | None:
    """The need of a call, by its route in the format of Django or OpenAPI; None for a call without a row."""
    return NEEDS.get(row_of(route), {}).get("GET" if method == "HEAD" else method)


def row_of(route: str) -> str:
    """The row of the table that a route belongs to."""
    return _NAMED.sub("*", _BASE.sub("", route, count=1))


def require_scope(key: ApiKey, need: Need | None) -> None:
    """Raise InsufficientScope unless the key has the needed scope. A call without a need is refused to every key."""
    if need is None:
        raise InsufficientScope("No scope of an API key permits this call.")
    if not key.permits(need.scope):
        held = " and ".join(scope.value for scope in key.scope_list)
        raise InsufficientScope(f"This API key lacks the scope '{need.scope}', which this call needs. It has: {held}.")
