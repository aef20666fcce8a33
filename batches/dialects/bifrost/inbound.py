"""Bodies and queries from Bifrost's clients. Unknown keys are refused."""

from django.db.models import Q
from django.http import QueryDict

from batches.dialects.shared import creation
from batches.dialects.shared.endpoints import MESSAGES
from batches.http.errors import InvalidValue
from batches.http.fields import EndpointPath
from batches.rules.states import BatchStatus

_ENDED = Q(status=BatchStatus.COMPLETED, endpoint=MESSAGES)
_COMPLETED = Q(status=BatchStatus.COMPLETED) & ~Q(endpoint=MESSAGES)
# The values of the filter `status`, with the batches that they find. Both spellings are accepted.
STATUSES = {
    **{status.value: Q(status=status) for status in BatchStatus},
    "canceled": Q(status=BatchStatus.CANCELLED),
    "canceling": Q(status=BatchStatus.CANCELLING),
    "completed": _COMPLETED,
    "ended": _ENDED,
}


class CreateBatch(creation.CreateBatch):
    """A create body. `model` is `provider/model`, unless the provider is named in another place."""

    model = creation.ModelName()
    provider = creation.ProviderName()
    endpoint = EndpointPath(required=False, allow_null=True, default=None)


def status_filter(query: QueryDict) -> Q:
    """A condition for the batches with the `status` in the query; all batches if there is none. Raises InvalidValue."""
    word = query.get("status")
    if word is None:
        return Q()
    if word not in STATUSES:
        raise InvalidValue(f"Invalid value for 'status': it must be one of {', '.join(STATUSES)}.", param="status")
    return STATUSES[word]
