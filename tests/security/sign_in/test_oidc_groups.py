"""Groups of an OpenID Connect provider are found where the settings say."""

from typing import Any

import pytest
from pytest_django import Settings

from batches.console.account.oidc import groups_in


@pytest.mark.parametrize(
    ("claims", "where", "groups"),
    [
        ({"groups": ["a", "b", 7]}, "groups", {"a", "b"}),
        ({"groups": "a"}, "groups", {"a"}),
        ({"groups": {"a": True}}, "groups", set()),
        ({}, "groups", set()),
        ({"realm_access": {"roles": ["a"]}}, "realm_access.roles", {"a"}),
        ({"https://example.com/groups": ["a"]}, "https://example.com/groups", {"a"}),
    ],
)
def test_groups_are_found_where_the_settings_say(
    settings: Settings, claims: dict[str, Any], where: str, groups: set[str]
) -> None:
    settings.OIDC_GROUPS_CLAIM = where
    assert groups_in(claims) == groups
