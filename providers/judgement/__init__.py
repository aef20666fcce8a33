"""What an upstream's answer means: the one place that turns status, headers and body into a `Success` or a `Failure`.

The rules, in this order:

1. Any status but 2xx is a failure. Its status says of which kind (`failures`), unless its words say that the provider's
   account is empty or its credential is wrong (`accounts`).
2. A 2xx answer that reports an error is a failure with that error's code and message (`errors`). A numeric code from 400
   to 599 counts as its status; else a known word decides. What neither decides is not sent again.
3. A 2xx answer that holds what its endpoint promises is a success (`promises`), with the tokens that it reports (`usage`).
4. Any other 2xx answer was carried out and paid, but cannot be understood: it is not sent again, and its first bytes are in
   the message.

A body that is legal JSON but odd is a success like any other; its values and the text of its numbers stay (`documents`).
Whatever is kept of an answer has its secrets taken out first (`providers.secrets.redaction`).
"""

from providers.judgement.answers import judge, judge_look, judge_write
from providers.secrets.redaction import Secrets

__all__ = ["Secrets", "judge", "judge_look", "judge_write"]
