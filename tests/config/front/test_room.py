"""Room: how many connections there may be, and which one gives way."""

from random import Random

import pytest

from config.front.room import Full, Room


def test_a_new_guest_takes_free_room() -> None:
    room = Room[str](total=2, each=2)

    assert room.enter("a", address="x") is None
    assert room.enter("b", address="y") is None
    assert len(room) == 2


def test_where_all_is_full_the_longest_waiting_gives_way() -> None:
    room = Room[str](total=2, each=2)
    room.enter("a", address="x")
    room.enter("b", address="y")

    assert room.enter("c", address="z") == "a"
    assert room.enter("d", address="z") == "b"
    assert len(room) == 2


def test_who_is_being_served_does_not_give_way() -> None:
    room = Room[str](total=2, each=2)
    room.enter("a", address="x")
    room.serve("a")
    room.enter("b", address="y")

    assert room.enter("c", address="z") == "b"


def test_who_waits_again_is_the_last_to_give_way() -> None:
    room = Room[str](total=2, each=2)
    room.enter("a", address="x")
    room.enter("b", address="y")
    room.serve("a")
    room.wait("a")

    assert room.enter("c", address="z") == "b"


def test_an_address_that_has_all_it_may_have_makes_room_itself() -> None:
    room = Room[str](total=9, each=2)
    room.enter("other", address="y")
    room.enter("a", address="x")
    room.enter("b", address="x")

    assert room.enter("c", address="x") == "a"
    assert room.enter("d", address="y") is None


def test_a_new_guest_is_refused_where_all_are_being_served() -> None:
    room = Room[str](total=9, each=2)
    for guest in ("a", "b"):
        room.enter(guest, address="x")
        room.serve(guest)

    with pytest.raises(Full):
        room.enter("c", address="x")
    assert len(room) == 2
    assert room.enter("d", address="y") is None


def test_who_has_left_takes_no_room_and_may_leave_again() -> None:
    room = Room[str](total=1, each=1)
    room.enter("a", address="x")
    room.leave("a")
    room.leave("a")
    room.wait("a")
    room.serve("a")

    assert room.enter("b", address="x") is None


def test_the_books_agree_after_whatever_happened() -> None:
    chance = Random(1)
    room = Room[int](total=20, each=6)
    inside: dict[int, int] = {}
    served: set[int] = set()
    for guest in range(5000):
        address = chance.randrange(5)
        try:
            gone = room.enter(guest, address=address)
        except Full:
            full = [one for one in inside if inside[one] == address] if len(inside) < 20 else list(inside)
            assert served.issuperset(full) or served.issuperset(one for one in inside if inside[one] == address)
        else:
            if gone is not None:
                assert gone not in served
                del inside[gone]
            inside[guest] = address
        for one in chance.sample(sorted(inside), k=min(3, len(inside))):
            act = chance.choice(("serve", "wait", "leave"))
            getattr(room, act)(one)
            served.discard(one)
            if act == "serve":
                served.add(one)
            if act == "leave":
                del inside[one]
        assert len(room) == len(inside) <= 20
        assert max(list(inside.values()).count(address) for address in range(5)) <= 6
