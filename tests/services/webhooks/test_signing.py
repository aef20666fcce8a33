"""Signatures, as the reference library and OpenAI's client verify them."""

import base64
import time

import pytest
from openai import InvalidWebhookSignatureError, OpenAI
from standardwebhooks import Webhook, WebhookVerificationError

from batches.services.webhooks.signing import KEY_BYTES, PREFIX, new_secret, signed_headers

BODY = '{"id":"evt_1","object":"event","created_at":1,"type":"batch.completed","data":{"id":"batch_ü"}}'.encode()


def test_a_secret_is_32_random_bytes_in_base64() -> None:
    secret = new_secret()

    assert len(base64.b64decode(secret.removeprefix(PREFIX), validate=True)) == KEY_BYTES
    assert secret.startswith(PREFIX)
    assert secret != new_secret()


def test_each_of_several_signatures_is_accepted_by_both_libraries() -> None:
    secrets = [new_secret(), new_secret()]

    headers = signed_headers("evt_1", BODY, secrets=secrets, timestamp=int(time.time()))

    assert [part[:3] for part in headers["webhook-signature"].split(" ")] == ["v1,", "v1,"]
    for secret in secrets:
        assert Webhook(secret).verify(BODY, headers)["type"] == "batch.completed"
        OpenAI(api_key="unused").webhooks.verify_signature(BODY, headers, secret=secret)


@pytest.mark.parametrize("change", [{"webhook-id": "evt_2"}, {"webhook-timestamp": str(int(time.time()) - 400)}])
def test_a_changed_id_and_an_old_timestamp_are_refused(change: dict[str, str]) -> None:
    secret = new_secret()
    headers = signed_headers("evt_1", BODY, secrets=[secret], timestamp=int(time.time())) | change

    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(BODY, headers)
    with pytest.raises((InvalidWebhookSignatureError, ValueError)):
        OpenAI(api_key="unused").webhooks.verify_signature(BODY, headers, secret=secret)


def test_a_changed_body_is_refused() -> None:
    secret = new_secret()
    headers = signed_headers("evt_1", BODY, secrets=[secret], timestamp=int(time.time()))

    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(BODY + b" ", headers)
