"""Names that clients give to files: nothing of them gets into a path, a header or a page as more than text."""

import email.message
import json
from collections.abc import Iterator
from email.policy import HTTP
from html.parser import HTMLParser
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from batches.models import Batch, BatchError, BatchObject, File, Project
from batches.rules.states import BatchStatus
from providers.models import Provider
from tests.console.conftest import MakeBatch
from tests.dialects.openai.conftest import CHAT, Answer, Api
from tests.matrix import every
from tests.security.routes import Address, addresses
from tests.security.tenancy.tenants import Tenant, visitor_of

pytestmark = pytest.mark.django_db

MARKUP = "<img src=x onerror=alert(1)>'\"><script>alert(2)</script>"
NAMES = [
    "../../../etc/passwd",
    "..\\..\\windows\\win.ini",
    "/etc/passwd",
    "C:\\boot.ini",
    "..",
    ".",
    "...",
    "a/../../b",
    "file:///etc/passwd",
    "%2e%2e%2fpasswd",
    "nul\0byte.jsonl",
    "\0",
    "a\r\nSet-Cookie: x=1\r\n\r\n<html>",
    "a\nX-Injected: 1",
    'quote".jsonl"; filename="other.html',
    "back\\slash",
    "semi;colon; filename*=UTF-8''evil.html",
    "\u202egnp.exe",
    "\u2066hidden\u2069\u200b.jsonl",
    "\x1b[31mred\x07",
    "e\u0301\U0001f643.jsonl",
    "\u2028line\u2029",
    "x" * 10_000 + ".jsonl",
    "\U0001f643" * 5_000,
    "x." + "y" * 10_000,
    MARKUP,
    "   ",
    "-rf",
    "CON",
]


def label(name: object) -> str:
    return repr(name)[:60]


def form_bytes(name: str) -> bytes:
    """A form whose file has just this name: what sends it escapes nothing but what would end the name."""
    quoted = name.replace("\\", "\\\\").replace('"', '\\"').encode()
    return (
        b'--b\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n'
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="%b"\r\n\r\n{}\n\r\n--b--\r\n' % quoted
    )


def require_fit(shown: str) -> None:
    """A name that can be stored, shown and written into a header."""
    assert 0 < len(shown) <= 255
    assert shown.isprintable()
    assert shown not in (".", "..")
    assert not set(shown) & set("/\\")


def require_harmless(answer: Answer) -> None:
    """A download that a browser saves and does not show, under a name that adds no header and leads to no folder."""
    assert answer.status == 200
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    disposition = answer.headers["Content-Disposition"]
    assert not set(disposition) & set("\r\n\0")
    message = email.message.EmailMessage(policy=HTTP)
    message["Content-Disposition"] = disposition
    assert message.get_content_disposition() == "attachment"
    require_fit(message.get_filename() or "upload")
    assert {"X-Injected", "Set-Cookie"}.isdisjoint(answer.headers)
    assert not answer.headers["Content-Type"].startswith(("text/html", "image/svg", "text/xml"))


def stored_paths(media_root: Path) -> Iterator[Path]:
    return (path for path in media_root.parent.rglob("*") if path.is_file())


@pytest.fixture
def media(media_root: Path, api: Api) -> Path:
    return media_root


@pytest.fixture
def api(key: str, simulator: Provider) -> Api:
    return Api(key)


@every("name", NAMES, ids=label)
def test_a_files_name_gets_into_no_path_and_no_header(api: Api, project: Project, media: Path, name: str) -> None:
    sent = [api.post_bytes("/v1/files", form_bytes(name), content_type="multipart/form-data; boundary=b")]
    sent += [api.post_bytes("/api/v1/files", form_bytes(name), content_type="multipart/form-data; boundary=b")]
    for answer in sent:
        assert answer.status in (200, 201, 400), answer.content
        if answer.status == 400:
            continue
        shown = answer.json["filename"]
        require_fit(shown)
        require_harmless(api.get(f"/v1/files/{answer.json['id']}/content"))
        require_harmless(api.get(f"/api/v1/files/{answer.json['id']}/content"))
    for file in File.objects.all():
        at = Path(file.content.path)
        assert at.is_relative_to(media / project.pk.hex)
        assert at.name == file.pk.hex
    assert all(path.is_relative_to(media) for path in stored_paths(media))


@every("name", NAMES, ids=label)
def test_nor_does_the_name_of_an_upload_in_parts(api: Api, project: Project, media: Path, name: str) -> None:
    promise = {"filename": name, "purpose": "user_data", "bytes": 4, "mime_type": f"text/html\r\nX-Injected: 1; {name[:99]}"}
    began = api.post("/v1/uploads", promise)
    if began.status == 400:
        began = api.post("/v1/uploads", promise | {"mime_type": "text/html"})
    assert began.status in (200, 400)
    if began.status == 400:
        return
    path = f"/v1/uploads/{began.json['id']}"
    part = api.post_form(f"{path}/parts", {"data": SimpleUploadedFile("../../x", b"<b>!")}).json["id"]
    done = api.post(f"{path}/complete", {"part_ids": [part]}).json
    require_fit(done["file"]["filename"])
    require_harmless(api.get(f"/v1/files/{done['file']['id']}/content"))
    assert all(path.is_relative_to(media) for path in stored_paths(media))


class Tags(HTMLParser):
    """The elements of a page that text with markup in it would add."""

    def __init__(self) -> None:
        super().__init__()
        self.foreign: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        names = {name for name, _ in attributes}
        if names & {"onerror", "onload"} or ("src", "x") in attributes or (tag == "script" and "src" not in names):
            self.foreign.append(tag)


PAGES = [address for address in addresses() if address.face in ("admin", "console") and address.path != "/admin/jsi18n/"]


@every("address", PAGES, ids=lambda address: address.path)
def test_markup_in_any_text_is_text_on_every_page(tenant: Tenant, session: str, marked: None, address: Address) -> None:
    client = Client(raise_request_exception=False)
    client.cookies["sessionid"] = session
    answer = client.get(address.of({name: pair[0] for name, pair in tenant.named(address).items()}))
    assert answer.status_code < 500
    if answer.streaming or "html" not in answer.headers.get("Content-Type", ""):
        assert answer.streaming or not answer.content.lstrip().startswith(b"<")
        return
    tags = Tags()
    tags.feed(answer.content.decode())
    assert tags.foreign == []


@pytest.fixture
def session(operator: User) -> str:
    return visitor_of(operator, name="operator").session


@pytest.fixture
def marked(tenant: Tenant) -> None:
    """Markup in what a client says of a batch, of its file and of its requests."""
    batch = tenant.batch
    Batch.objects.filter(pk=batch.pk).update(remark=MARKUP, metadata={MARKUP: MARKUP}, model=MARKUP)
    File.objects.update(filename=MARKUP)
    BatchObject.objects.filter(batch=batch, line=1).update(custom_id=MARKUP)
    BatchError.objects.filter(batch=batch).update(message=MARKUP, code=MARKUP)


def test_what_a_browser_could_render_is_saved_instead(api: Api, make_batch: MakeBatch, console: Client) -> None:
    page = b"<html><script>alert(1)</script></html>"
    name = api.upload(page, name="page.html", purpose="user_data").json["id"]
    require_harmless(api.get(f"/v1/files/{name}/content"))
    batch = make_batch(
        BatchStatus.COMPLETED, succeeded=1, lines=json.dumps({"custom_id": "<script>", "url": CHAT}).encode() + b"\n"
    )
    for path in (f"/console/batches/{batch}/files/input/", f"/console/batches/{batch}/export/"):
        answer = console.get(path)
        require_harmless(Answer(answer.status_code, dict(answer.headers), answer.getvalue()))


def test_json_is_not_taken_for_anything_else(api: Api) -> None:
    for path in ("/v1/files", "/v1/batches", "/api/v1/batches", "/v1/files/<script>", "/bifrost/v1/files", "/api/schema"):
        answer = api.get(path)
        assert answer.headers["Content-Type"].startswith("application/json")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
