"""Admission: how many connections there may be, and which one gives way."""

from random import Random

import pytest

from config.front.admission import Admission, Full


def test_a_new_connection_takes_free_room() -> None:
    admission = Admission[str](total=2, each=2)

    assert admission.enter("a", address="x") is None
    assert admission.enter("b", address="y") is None
    assert len(admission) == 2


def test_where_all_is_full_the_longest_waiting_gives_way() -> None:
    admission = Admission[str](total=2, each=2)
    admission.enter("a", address="x")
    admission.enter("b", address="y")

    assert admission.enter("c", address="z") == "a"
    assert admission.enter("d", address="z") == "b"
    assert len(admission) == 2


def test_who_is_being_served_does_not_give_way() -> None:
    admission = Admission[str](total=2, each=2)
    admission.enter("a", address="x")
    admission.serve("a")
    admission.enter("b", address="y")

    assert admission.enter("c", address="z") == "b"


def test_who_waits_again_is_the_last_to_give_way() -> None:
    admission = Admission[str](total=2, each=2)
    admission.enter("a", address="x")
    admission.enter("b", address="y")
    admission.serve("a")
    admission.wait("a")

    assert admission.enter("c", address="z") == "b"


def test_an_address_that_has_all_it_may_have_makes_room_itself() -> None:
    admission = Admission[str](total=9, each=2)
    admission.enter("other", address="y")
    admission.enter("a", address="x")
    admission.enter("b", address="x")

    assert admission.enter("c", address="x") == "a"
    assert admission.enter("d", address="y") is None


def test_a_new_connection_is_refused_where_all_are_being_served() -> None:
    admission = Admission[str](total=9, each=2)
    for connection in ("a", "b"):
        admission.enter(connection, address="x")
        admission.serve(connection)

    with pytest.raises(Full):
        admission.enter("c", address="x")
    assert len(admission) == 2
    assert admission.enter("d", address="y") is None


def test_who_has_left_takes_no_room_and_may_leave_again() -> None:
    admission = Admission[str](total=1, each=1)
    admission.enter("a", address="x")
    admission.leave("a")
    admission.leave("a")
    admission.wait("a")
    admission.serve("a")

    assert admission.enter("b", address="x") is None


def test_the_books_agree_after_whatever_happened() -> None:
    chance = Random(1)
    admission = Admission[int](total=20, each=6)
    inside: dict[int, int] = {}
    served: set[int] = set()
    for connection in range(5000):
        address = chance.randrange(5)
        try:
            gone = admission.enter(connection, address=address)
        except Full:
            full = [one for one in inside if inside[one] == address] if len(inside) < 20 else list(inside)
            assert served.issuperset(full) or served.issuperset(one for one in inside if inside[one] == address)
        else:
            if gone is not None:
                assert gone not in served
                del inside[gone]
            inside[connection] = address
        for one in chance.sample(sorted(inside), k=min(3, len(inside))):
            act = chance.choice(("serve", "wait", "leave"))
            getattr(admission, act)(one)
            served.discard(one)
            if act == "serve":
                served.add(one)
            if act == "leave":
                del inside[one]
        assert len(admission) == len(inside) <= 20
        assert max(list(inside.values()).count(address) for address in range(5)) <= 6
