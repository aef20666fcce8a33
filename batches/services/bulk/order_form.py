"""OrderForm: what a page sends to order an act on many batches; the console's and the admin's question share it."""

from typing import Any

from django import forms

from batches.errors import InvalidRequest
from batches.filters.batch import require_in_utc
from batches.models import BulkAct
from batches.services.bulk.acts import checked_parameters
from batches.services.bulk.create import REASON_CHARS, Order
from batches.services.prioritise import HIGHEST, LOWEST

_INCOMPLETE = dict.fromkeys(("required", "invalid"), "This form is not complete; look again.")


class OrderForm(forms.Form):
    """An answer to the question. The first three fields say what was shown, and make a double click one operation."""

    token = forms.UUIDField(error_messages=_INCOMPLETE)
    created_before = forms.DateTimeField(error_messages=_INCOMPLETE, validators=[require_in_utc])
    shown = forms.IntegerField(min_value=0, error_messages=_INCOMPLETE)
    reason = forms.CharField(max_length=REASON_CHARS, error_messages={"required": "Give a reason."})
    priority = forms.IntegerField(
        required=False,
        min_value=LOWEST,
        max_value=HIGHEST,
        error_messages=dict.fromkeys(("invalid", "min_value", "max_value"), f"A priority is from {LOWEST} to {HIGHEST}."),
    )
    typed = forms.IntegerField(required=False, error_messages={"invalid": "Type the number of batches."})

    def order(self, act: BulkAct) -> Order:
        """What was ordered. Raises InvalidRequest, with a sentence for each field that is wrong."""
        if not self.is_valid():
            sentences = [sentence for errors in self.errors.values() for sentence in errors]
            raise InvalidRequest(" ".join(dict.fromkeys(map(str, sentences))))
        answer: dict[str, Any] = dict(self.cleaned_data)
        return Order(act=act, parameters=checked_parameters(act, answer.pop("priority")), **answer)
