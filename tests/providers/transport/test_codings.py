"""U2: content codings that nobody asked for are taken off, within the size that is wanted."""

import codecs
import gzip
import tracemalloc
import zlib

import pytest

from providers.transport.codings import MAX_MEMBERS, TooLarge, Undecodable, decoded

MOST = 1_000_000
TEXT = b'{"choices":[{"text":"two plus two"}]}' * 50


def raw_deflate(content: bytes) -> bytes:
    stream = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return stream.compress(content) + stream.flush()


GZIPPED = gzip.compress(TEXT, mtime=0)


@pytest.mark.parametrize(
    ("codings", "body"),
    [
        ("gzip", GZIPPED),
        ("x-gzip", GZIPPED),
        (" GZip ", GZIPPED),
        ("deflate", zlib.compress(TEXT)),
        ("deflate", raw_deflate(TEXT)),
        ("identity", TEXT),
        ("", TEXT),
        ("none", TEXT),
        ("gzip, gzip", gzip.compress(GZIPPED, mtime=0)),
        ("deflate, gzip", gzip.compress(zlib.compress(TEXT), mtime=0)),
        ("gzip,identity , deflate", raw_deflate(GZIPPED)),
        ("gzip", gzip.compress(TEXT[:100], mtime=0) + gzip.compress(TEXT[100:], mtime=0)),
        ("gzip", GZIPPED + b"\x00" * 20),
        ("gzip", TEXT),
        ("UTF-8", TEXT),
        ("br", TEXT),
        ("gzip", codecs.BOM_UTF8 + TEXT),
        # a header that says less than was done, or something else
        ("", GZIPPED),
        ("gzip", gzip.compress(GZIPPED, mtime=0)),
        ("identity", gzip.compress(GZIPPED, mtime=0)),
        ("deflate", GZIPPED),
        ("gzip", zlib.compress(TEXT)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_u2_a_body_is_decoded(codings: str, body: bytes) -> None:
    for cut in (False, True):
        assert decoded(body, codings, most=MOST, cut=cut).removeprefix(codecs.BOM_UTF8) == TEXT


@pytest.mark.parametrize(
    ("codings", "body", "why"),
    [
        ("br", b"\x1b\x03\x00\xf8", "encoded with br"),
        ("zstd", b"\x28\xb5\x2f\xfd", "encoded with zstd"),
        ("gzip, br", GZIPPED, "encoded with br"),
        ("br, gzip", GZIPPED, "encoded with br"),
        ("gzip", GZIPPED[:-9], "breaks off"),
        ("gzip", GZIPPED[:5], "breaks off"),
        ("gzip", GZIPPED[:-8] + bytes(8), "broken"),
        ("gzip", b"\x1f\x8b\x08" + b"\xff" * 50, "broken"),
        ("gzip", b"<html>", "is not"),
        ("", GZIPPED[:-9], "breaks off"),
        ("deflate", zlib.compress(TEXT)[:-6], "breaks off"),
        ("deflate", b"\xff\xff\xff", "broken"),
        (", ".join(["gzip"] * 6), GZIPPED, "6 times"),
        ("\x01\x02" * 40, b"\xff", "encoded with ,"),
    ],
)
def test_u2_what_cannot_be_decoded_is_said_to_be_so(codings: str, body: bytes, why: str) -> None:
    with pytest.raises(Undecodable, match=why):
        decoded(body, codings, most=MOST, cut=False)


@pytest.mark.parametrize("body", [GZIPPED[:-9], GZIPPED[:60]])
def test_u2_what_can_be_read_of_an_error_is_read(body: bytes) -> None:
    found = decoded(body, "gzip", most=MOST, cut=True)

    assert found
    assert TEXT.startswith(found)


@pytest.mark.parametrize("codings", ["", "gzip", "deflate", "gzip, gzip"])
def test_u2_a_bomb_is_refused_without_its_memory(codings: str) -> None:
    bomb = b"\x00" * 200_000_000
    bomb = zlib.compress(bomb, 9) if codings == "deflate" else gzip.compress(bomb, 9, mtime=0)
    bomb = gzip.compress(bomb, mtime=0) if "," in codings else bomb

    tracemalloc.start()
    with pytest.raises(TooLarge):
        decoded(bomb, codings, most=MOST, cut=False)
    assert len(decoded(bomb, codings, most=1000, cut=True)) == 1000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert peak < 4 * MOST


def test_u2_exactly_as_much_as_is_wanted_is_taken() -> None:
    assert decoded(gzip.compress(b"x" * 1000, mtime=0), "gzip", most=1000, cut=False) == b"x" * 1000
    with pytest.raises(TooLarge):
        decoded(gzip.compress(b"x" * 1001, mtime=0), "gzip", most=1000, cut=False)


def test_u2_a_body_of_endlessly_many_parts_is_refused() -> None:
    with pytest.raises(Undecodable, match="too many parts"):
        decoded(gzip.compress(b"", mtime=0) * (MAX_MEMBERS + 1), "gzip", most=MOST, cut=False)
