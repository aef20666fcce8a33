"""Hashing passwords: argon2id, at most a few at once in a process, whoever asks for them."""

import threading

import pytest
from django.contrib.auth.hashers import check_password, make_password
from pytest_django import Settings

from config.backends import hashers


@pytest.fixture
def real_hashers(settings: Settings) -> None:
    settings.PASSWORD_HASHERS = ["config.backends.hashers.Argon2id", "config.backends.hashers.PBKDF2"]


class Seats:
    """Counts who holds a seat at once, and lets nobody go until enough have come."""

    def __init__(self, inner: threading.BoundedSemaphore) -> None:
        self.inner, self.lock, self.held, self.most = inner, threading.Lock(), 0, 0

    def __enter__(self) -> None:
        self.inner.acquire()
        with self.lock:
            self.held += 1
            self.most = max(self.most, self.held)

    def __exit__(self, *_: object) -> None:
        with self.lock:
            self.held -= 1
        self.inner.release()


def test_at_most_a_few_hashes_are_made_at_once(real_hashers: None, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """S4"""
    seats = Seats(hashers._seats)
    monkeypatch.setattr(hashers, "_seats", seats)
    encoded = make_password("right", hasher="argon2")
    right: list[bool] = []

    threads = [threading.Thread(target=lambda: right.append(check_password("right", encoded))) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert right == [True] * 16
    assert seats.most == settings.HASHES_AT_ONCE
    assert seats.held == 0


@pytest.mark.parametrize("hasher", ["argon2", "pbkdf2_sha256"])
def test_each_hasher_takes_a_seat_to_make_and_to_check(real_hashers: None, monkeypatch: pytest.MonkeyPatch, hasher: str) -> None:
    taken = Seats(threading.BoundedSemaphore(1))
    monkeypatch.setattr(hashers, "_seats", taken)
    monkeypatch.setattr(hashers.PBKDF2, "iterations", 1000)

    encoded = make_password("right", hasher=hasher)
    assert taken.most == 1
    taken.most = 0
    assert check_password("right", encoded, preferred=hasher)
    assert taken.most == 1
    assert not check_password("wrong", encoded, preferred=hasher)
    assert taken.held == 0


def test_one_hash_takes_no_more_memory_than_is_recommended() -> None:
    assert make_password("right", hasher=hashers.Argon2id()).startswith("argon2$argon2id$v=19$m=12288,t=3,p=1$")
