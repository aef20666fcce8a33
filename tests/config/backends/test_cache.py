"""The cache that processes share, and what they do while there is none."""

import os
import time

import pytest

from config.backends.cache import SharedCache
from tests.servers import free_port, own_redis_url
from tests.waiting import allowed


@pytest.fixture(autouse=True)
def asked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SharedCache, "_asked_again_at", float("-inf"))


@pytest.mark.servers
def test_what_one_process_counts_another_one_sees() -> None:
    here, there = (SharedCache(own_redis_url(), {"KEY_PREFIX": "tests"}) for _ in range(2))
    name = f"count-{os.getpid()}"

    assert here.add(name, [1.5], 60)
    assert not there.add(name, [2.5], 60)
    assert there.get(name) == [1.5]
    there.set(name, [3.5], 60)
    assert here.get(name) == [3.5]
    assert here.delete(name)
    assert there.get(name, "none") == "none"


def test_while_redis_is_away_each_process_counts_by_itself_and_waits_once() -> None:
    cache = SharedCache(f"redis://127.0.0.1:{free_port()}/0", {})
    assert cache.add("count", [1.5], 60)
    began = time.monotonic()

    for _ in range(100):
        assert not cache.add("count", [2.5], 60)
    assert cache.get("count") == [1.5]
    cache.set("count", [3.5], 60)
    assert cache.get("count") == [3.5]
    assert cache.delete("count")
    assert time.monotonic() - began < allowed(1)


def test_nobody_empties_the_redis_that_the_broker_uses() -> None:
    with pytest.raises(NotImplementedError):
        SharedCache("redis://127.0.0.1:1/0", {}).clear()
