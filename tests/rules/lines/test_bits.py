"""The bits of lines."""

from batches.rules.lines.bits import LineBits


def test_lines_that_are_marked_stay_marked_when_they_are_stored() -> None:
    bits = LineBits(101, 117)
    for line in (101, 109, 117):
        bits.add(line)

    again = LineBits(101, 117, bits.stored())

    assert [line for line in range(101, 118) if line in again] == [101, 109, 117]
    assert again.count() == 3
