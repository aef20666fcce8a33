"""The settings of e-mail: a mail server by one address, which may hold a password and is never quoted."""

from pathlib import Path

import pytest

from tests.config.test_settings import ask

ASKED = (
    "from config import settings as s; print(s.EMAIL_HOST, s.EMAIL_PORT, s.EMAIL_HOST_USER, s.EMAIL_HOST_PASSWORD,"
    " s.EMAIL_USE_TLS, s.EMAIL_USE_SSL, s.DEFAULT_FROM_EMAIL, sep='|')"
)
SENDER = "batchyard@example.com"


@pytest.mark.parametrize(
    ("url", "read"),
    [
        ("smtp+tls://anna:p%40ss%2Fword@mail.example:2525", "mail.example|2525|anna|p@ss/word|True|False"),
        ("smtps://anna:word@mail.example/", "mail.example|465|anna|word|False|True"),
        ("smtp+tls://mail.example", "mail.example|587|||True|False"),
        ("smtp://10.0.0.1", "10.0.0.1|25|||False|False"),
        ("smtp://anna:word@127.0.0.1:1025", "127.0.0.1|1025|anna|word|False|False"),
    ],
)
def test_a_mail_server_is_one_address(tmp_path: Path, url: str, read: str) -> None:
    assert ask(tmp_path, ASKED, EMAIL_URL=url, EMAIL_FROM=SENDER).stdout.strip() == f"{read}|{SENDER}"


def test_without_an_address_there_is_no_mail_server(tmp_path: Path) -> None:
    assert ask(tmp_path, ASKED).stdout.strip() == "|25|||False|False|"


def test_the_address_may_be_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "url").write_text("smtps://anna:word@mail.example\n")
    loaded = ask(tmp_path, ASKED, EMAIL_URL_FILE=str(tmp_path / "url"), EMAIL_FROM=SENDER)
    assert loaded.stdout.startswith("mail.example|465|anna|word|")


@pytest.mark.parametrize(
    "url",
    [
        "mail.example",
        "imap://a:letmein@mail.example",
        "smtp://a:letmein@mail.example",
        "smtps://a:letmein@",
        "smtps://a:let/mein@mail.example",
        "smtps://a:letmein@mail.example:0",
        "smtps://a:letmein@mail.example:port",
        "smtps://a:letmein@[mail.example",
        "smtps://a:letmein@mail.example/path",
    ],
)
def test_what_is_no_mail_server_is_refused_by_name_and_not_quoted(tmp_path: Path, url: str) -> None:
    refused = ask(tmp_path, ASKED, EMAIL_URL=url, EMAIL_FROM=SENDER)
    assert refused.returncode != 0
    last = refused.stderr.strip().splitlines()[-1]
    assert "EMAIL_URL is not valid" in last
    assert "let" not in last


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"EMAIL_URL": "smtp://mail.example"}, "EMAIL_FROM is not"),
        ({"EMAIL_FROM": "nobody"}, "EMAIL_FROM='nobody' is not valid"),
        ({"EMAIL_FROM": "a@b.example\nBcc: c@d.example"}, "EMAIL_FROM="),
        ({"NOTICE_DAILY_HOUR": "24"}, "NOTICE_DAILY_HOUR"),
        ({"NOTICE_LISTED": "0"}, "NOTICE_LISTED"),
        ({"CREDENTIAL_VARIABLES": "EMAIL_*"}, "EMAIL_URL, which is the portal's own"),
    ],
)
def test_what_cannot_be_is_refused_by_name(tmp_path: Path, environment: dict[str, str], said: str) -> None:
    refused = ask(tmp_path, ASKED, **environment)
    assert refused.returncode != 0
    assert said in refused.stderr
