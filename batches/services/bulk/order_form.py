"""The confirmation of an act on many batches in the console and the admin: the context of its page, and its form."""

import uuid

from django import forms

from batches.filters.batch import require_in_any_zone
from batches.models import BulkAct
from batches.rules.actors import REASON_CHARS
from batches.rules.errors import InvalidRequest
from batches.services.bulk.acts import VERBS, checked_parameters
from batches.services.bulk.create import Order
from batches.services.bulk.preview import BulkPreview
from batches.services.control.prioritise import HIGHEST, LOWEST

_INCOMPLETE = dict.fromkeys(("required", "invalid"), "This form is incomplete. Load the page again.")


def question(shown: BulkPreview) -> dict[str, object]:
    """The template context of the confirmation. Its token is new each time, since two orders with one token are one operation."""
    return {
        "preview": shown,
        "verb": VERBS[shown.act],
        "token": uuid.uuid4(),
        "reason_chars": REASON_CHARS,
        "asks_priority": shown.act is BulkAct.REPRIORITISE,
        "lowest": LOWEST,
        "highest": HIGHEST,
    }


class OrderForm(forms.Form):
    """An answer to the question. The first three fields say what was shown, and make a double click one operation."""

    token = forms.UUIDField(error_messages=_INCOMPLETE)
    created_before = forms.DateTimeField(error_messages=_INCOMPLETE, validators=[require_in_any_zone])
    shown = forms.IntegerField(min_value=0, error_messages=_INCOMPLETE)
    reason = forms.CharField(max_length=REASON_CHARS, error_messages={"required": "Give a reason."})
    priority = forms.IntegerField(
        required=False,
        min_value=LOWEST,
        max_value=HIGHEST,
        error_messages=dict.fromkeys(("invalid", "min_value", "max_value"), f"A priority is from {LOWEST} to {HIGHEST}."),
    )
    error = forms.CharField(required=False)
    provider = forms.CharField(required=False)
    typed = forms.IntegerField(required=False, error_messages={"invalid": "Type the number of batches."})

    def order(self, act: BulkAct) -> Order:
        """The order of a submitted form. Raises InvalidRequest, with a sentence for each field that is wrong."""
        if not self.is_valid():
            sentences = [sentence for errors in self.errors.values() for sentence in errors]
            raise InvalidRequest(" ".join(dict.fromkeys(map(str, sentences))))
        answer = self.cleaned_data
        return Order(
            act=act,
            parameters=checked_parameters(act, priority=answer["priority"], error=answer["error"], provider=answer["provider"]),
            reason=answer["reason"],
            token=answer["token"],
            created_before=answer["created_before"],
            shown=answer["shown"],
            typed=answer["typed"],
        )
