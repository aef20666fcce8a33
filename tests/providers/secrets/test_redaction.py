"""S6: a secret is found in whatever spelling an answer gives it, and nothing else of the answer changes."""

import json
import time
from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.base import Connection
from providers.secrets.redaction import REDACTED, Secrets
from tests.answers import Answer, refuse, say, succeed
from tests.providers.calls import answered, call, failed, send, succeeded
from tests.security.texts.spellings import SPELLINGS, cores
from tests.upstream import Upstream

PLAIN = "sk-Proj-very-secret-0123456789"
ODD = "sk/With+odd=\"\\signs'&<all>%41"
every_spelling = pytest.mark.parametrize("spelling", SPELLINGS)


@every_spelling
@pytest.mark.parametrize("secret", [PLAIN, ODD], ids=["plain", "odd"])
def test_s6_every_spelling_is_found(secret: str, spelling: str) -> None:
    spelt = SPELLINGS[spelling](secret)

    hidden = Secrets(secret).hidden_in(f"before {spelt} and behind")

    assert REDACTED in hidden
    assert spelt not in hidden
    assert hidden.startswith("before ")
    assert hidden.endswith(" and behind")
    assert not [core for core in cores(secret) if core in hidden.lower().encode()]


def test_s6_spellings_may_be_mixed_within_one_secret() -> None:
    mixed = PLAIN[:5] + "".join(f"\\u{ord(character):04x}" for character in PLAIN[5:12]) + PLAIN[12:].upper()
    assert Secrets(PLAIN).hidden_in(f'{{"a": "{mixed}"}}') == f'{{"a": "{REDACTED}"}}'
    through_a_url = "".join(f"\\u0025{ord(character):02x}" for character in PLAIN)
    assert Secrets(PLAIN).hidden_in(f"key={through_a_url}.") == f"key={REDACTED}."


@every_spelling
def test_s6_json_is_json_still(spelling: str) -> None:
    document = json.dumps({"message": f"bad key {SPELLINGS[spelling](ODD)}.", "n": 1.50})
    hidden = json.loads(Secrets(ODD).hidden_in(document))
    assert hidden["message"].startswith("bad key ")
    assert REDACTED in hidden["message"]
    assert hidden["n"] == 1.5


@pytest.mark.parametrize(
    ("secret", "part"),
    [
        ("Bearer abcdefgh-12345678", "abcdefgh-12345678"),
        ("Basic " + b64encode(b"user:the-password-9").decode(), "the-password-9"),
        ("Token   abcdefgh-12345678", "abcdefgh-12345678"),
        ("http://user:the%2Fpassword@proxy.example:3128", "the/password"),
    ],
)
def test_s6_what_a_secret_is_made_of_is_secret_too(secret: str, part: str) -> None:
    assert part not in Secrets(secret).hidden_in(f"you sent {part}")


@pytest.mark.parametrize("secret", ["", "EMPTY", "1234567"])
def test_s6_a_placeholder_is_no_secret(secret: str) -> None:
    text = f"the key {secret} at 100%25 \\u0045MPTY"
    assert Secrets(secret).hidden_in(text) is text


ANY_TEXT = st.text(alphabet=st.sampled_from('ab\\u0061%25/+"&#97; xk')) | st.text()


@given(ANY_TEXT, ANY_TEXT)
def test_s6_nothing_else_changes(before: str, behind: str) -> None:
    assert Secrets(PLAIN).hidden_in(before + behind) == before + behind
    hidden = Secrets(PLAIN).hidden_in(f"{before} {PLAIN} {behind}")
    assert hidden == f"{before} {REDACTED} {behind}"


@given(st.text(alphabet=st.characters(min_codepoint=33, max_codepoint=126), min_size=8, max_size=40), st.data())
def test_s6_any_secret_is_found_whatever_it_consists_of(secret: str, data: st.DataObject) -> None:
    spelling = data.draw(st.sampled_from([name for name in SPELLINGS if name != "JSON in JSON"]))
    spelt = SPELLINGS[spelling](secret)
    assert REDACTED in Secrets(secret, "another-secret-0123").hidden_in(f"«{spelt}»")


# --- Through an adapter ------------------------------------------------------------------------------------


@every_spelling
@pytest.mark.parametrize("place", ["answer", "error", "code", "garbage"])
def test_s6_no_outcome_holds_it(upstream: Upstream, place: str, spelling: str) -> None:
    spelt = SPELLINGS[spelling](ODD)
    in_json = json.dumps(spelt).encode()
    upstream.answer(
        {
            "answer": succeed(answered(content=in_json)),
            "error": refuse(400, message=f"bad key {spelt}"),
            "code": refuse(400, code=spelt, param=spelt),
            "garbage": say(f"your key is {spelt}".encode()),
        }[place]
    )

    outcome = send("openai", Connection("up", upstream.base_url, "unrelated-credential", {}, secrets=[ODD]), call())[0]

    said = json.dumps(outcome.body.decode()) + repr(outcome)
    assert REDACTED in said
    assert not [core for core in cores(ODD) if core in said.lower().encode()]


@pytest.mark.parametrize("header", ["x-request-id", "Location", "Content-Encoding", "x-amzn-errortype"])
@pytest.mark.parametrize("status", [200, 307, 400])
def test_s6_no_header_that_is_told_holds_it(upstream: Upstream, header: str, status: int) -> None:
    upstream.answer(Answer(status, b'{"choices":[{}]}', {header: PLAIN}))
    assert PLAIN not in repr(send("openai", Connection("up", upstream.base_url, PLAIN), call())[0])


def test_s6_answers_with_escapes_of_their_own_stay_as_they_are(upstream: Upstream) -> None:
    body = answered(content=b'"50% off at http://x.example/%7Euser?q=%2F \\u0041 &#65; \\/"')
    upstream.answer(succeed(body))
    assert succeeded(send("openai", Connection("up", upstream.base_url, PLAIN), call())[0]).body == body
    upstream.answer(refuse(400, message="100% wrong"))
    assert failed(send("openai", Connection("up", upstream.base_url, PLAIN), call())[0]).message == "100% wrong"


@pytest.mark.parametrize("escaped", [b"%41", b"\\u0041", b"&#65;", b"&#x41;", b"\\/", b"%2541"])
def test_s6_an_answer_that_consists_of_escapes_keeps_nobody_waiting(escaped: bytes) -> None:
    """What a tenant's model says must not cost the others: 8 MB took ten seconds once."""
    body = b'{"a": "' + escaped * (8 * 1024**2 // len(escaped)) + b'"}'
    secrets = Secrets(PLAIN, ODD)
    began = time.process_time()
    assert secrets.hidden_in_body(body) is body
    assert time.process_time() - began < 1.0
    assert PLAIN.encode() not in secrets.hidden_in_body(body[:99_999] + PLAIN.encode())
