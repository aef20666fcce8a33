"""The list of files: order, pages, filters."""

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from batches.models import File
from tests.dialects.openai.conftest import Api

UNKNOWN = "file-" + "0" * 32


def test_the_list_goes_from_the_newest_to_the_oldest_or_back(api: Api) -> None:
    ids = [api.file_id() for _ in range(3)]
    newest_first = api.get("/v1/files").json
    assert newest_first["object"] == "list"
    assert [file["id"] for file in newest_first["data"]] == ids[::-1]
    assert (newest_first["first_id"], newest_first["last_id"]) == (ids[2], ids[0])
    assert newest_first["has_more"] is False
    assert [file["id"] for file in api.get("/v1/files?order=asc").json["data"]] == ids


def test_an_empty_list_has_the_whole_envelope(api: Api) -> None:
    assert api.get("/v1/files").json == {"object": "list", "data": [], "first_id": None, "last_id": None, "has_more": False}


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_pages_hold_every_file_once_though_all_are_of_the_same_moment(api: Api, order: str) -> None:
    ids = {api.file_id() for _ in range(5)}
    File.objects.update(created_at=timezone.now())
    seen: list[str] = []
    page = api.get(f"/v1/files?limit=2&order={order}").json
    while page["has_more"]:
        assert len(page["data"]) == 2
        seen += [file["id"] for file in page["data"]]
        page = api.get(f"/v1/files?limit=2&order={order}&after={page['last_id']}").json
    seen += [file["id"] for file in page["data"]]
    assert len(seen) == 5
    assert set(seen) == ids


def test_a_client_may_delete_what_it_lists_and_go_on(api: Api) -> None:
    ids = [api.file_id() for _ in range(3)]
    api.delete(f"/v1/files/{ids[2]}")
    assert [file["id"] for file in api.get(f"/v1/files?after={ids[2]}").json["data"]] == [ids[1], ids[0]]


def test_the_list_is_filtered_by_purpose(api: Api) -> None:
    api.file_id()
    wanted = api.file_id(purpose="user_data")
    assert [file["id"] for file in api.get("/v1/files?purpose=user_data").json["data"]] == [wanted]
    assert api.get("/v1/files?purpose=fine-tune-results").json["data"] == []


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("limit=0", "limit"),
        ("limit=-1", "limit"),
        ("limit=10001", "limit"),
        ("limit=abc", "limit"),
        ("limit=", "limit"),
        ("limit=1.0", "limit"),
        ("limit=%D9%A1", "limit"),
        ("limit=" + "9" * 5000, "limit"),
        ("order=up", "order"),
        ("purpose=jokes", "purpose"),
        ("purpose=%00", "purpose"),
        ("after=", "after"),
        ("after=x", "after"),
        ("after=%00", "after"),
        ("after=%ff", "after"),
        (f"after={UNKNOWN}", "after"),
    ],
)
def test_a_wrong_query_parameter_is_refused_by_its_name(api: Api, query: str, param: str) -> None:
    answer = api.get(f"/v1/files?{query}")
    assert answer.status == 400
    assert answer.error["param"] == param


def test_c7_what_sdks_put_into_every_query_is_no_mistake(api: Api) -> None:
    assert api.get("/v1/files?beta=true&limit=10000&api-version=1").status == 200
    assert api.get("/v1/files?limit=10000&%00=%ff").error["code"] == "unknown_parameter"


def test_a_foreign_cursor_is_refused_as_an_unknown_one_is(api: Api, stranger: Api) -> None:
    assert api.get(f"/v1/files?after={stranger.file_id()}").status == 400


def test_the_list_takes_as_many_queries_for_many_as_for_one(api: Api, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    for _ in range(4):
        api.file_id()
    with django_assert_num_queries(2):  # the key, the files
        assert len(api.get("/v1/files").json["data"]) == 4
