"""Ids as clients see them."""

import uuid

import pytest

from batches.rules import identifiers

ID = uuid.UUID("0197a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b")


def test_an_id_is_rendered_with_its_prefix() -> None:
    assert identifiers.render("batch_", ID) == "batch_0197a1b2c3d47e5f8a9b0c1d2e3f4a5b"
    assert identifiers.render("file-", ID) == "file-0197a1b2c3d47e5f8a9b0c1d2e3f4a5b"


@pytest.mark.parametrize("prefix", ["", "batch_", "msgbatch_", "file-", "upload_", "part_", "batch_req_"])
@pytest.mark.parametrize("form", [ID.hex, str(ID)])
def test_an_id_is_understood_in_every_form(prefix: str, form: str) -> None:
    assert identifiers.parse(prefix + form) == ID


@pytest.mark.parametrize(
    "text",
    [
        None,
        7,
        b"batch_0197a1b2c3d47e5f8a9b0c1d2e3f4a5b",
        "",
        "batch_",
        "batch_0197a1b2c3d47e5f8a9b0c1d2e3f4a5",
        "batch_0197a1b2c3d47e5f8a9b0c1d2e3f4a5b0",
        "batch_0197a1b2c3d47e5f8a9b0c1d2e3f4a5g",
        "batch_0197a1b2c3d47e5f8a9b0c1d2e3f4a5b\n",
        " batch_0197a1b2c3d47e5f8a9b0c1d2e3f4a5b",
        "batch__0197a1b2c3d47e5f8a9b0c1d2e3f4a5b",
        "../0197a1b2c3d47e5f8a9b0c1d2e3f4a5b",
        "batch_٠٠٠٠a1b2c3d47e5f8a9b0c1d2e3f4a5b",
        "0197a1b2-c3d47e5f-8a9b0c1d-2e3f4a5b",
        "{0197a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b}",
        "urn:uuid:0197a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b",
        "a" * 100_000,
        "a_" * 50_000,
    ],
)
def test_anything_else_is_no_id(text: object) -> None:
    assert identifiers.parse(text) is None
