"""Judgement: the one place that turns an upstream's answer (status, headers and body) into a `Success` or a `Failure`.

The rules, in this order:

1. An answer with any status but 2xx is a failure. The status decides its kind (`failures`), unless the words of the answer
   say that the provider's account is empty or its credential is wrong (`accounts`).
2. A 2xx answer that reports an error is a failure with that error's code and message (`errors`). A numeric code from 400
   to 599 counts as its status; else a known word decides. If neither decides, the request is not sent again.
3. A 2xx answer that has the fields of its endpoint is a success (`promises`), with the tokens that it reports (`usage`).
4. Any other 2xx answer cannot be understood, but the request was carried out and paid for. So the request is not sent
   again, and the first bytes of the answer are in the failure's message.

A body that is legal JSON but odd is a success like any other; its values and the text of its numbers stay (`documents`).
Secrets are removed from each part of an answer before it is kept (`providers.secrets.redaction`).
"""

from providers.judgement.answers import judge, judge_look, judge_write
from providers.secrets.redaction import Secrets

__all__ = ["Secrets", "judge", "judge_look", "judge_write"]
