"""Server-sent events survive any cut of the byte stream."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from terret.models import SseDecoder

LINES = st.sampled_from(
    [
        "data: {}",
        'data:{"a":"ä€😀"}',
        "data: ",
        "data",
        ": ping",
        "event: x",
        "id: 1",
        "",
        "",
        "garbage",
        "data: [DONE]",
    ]
)
ENDS = st.sampled_from(["\n", "\r\n", "\r"])


def _decode(pieces: list[bytes]) -> list[str]:
    decoder = SseDecoder()
    return [data for piece in pieces for data in decoder.feed(piece)] + decoder.close()


def _reference(lines: list[str]) -> list[str]:
    found: list[str] = []
    data: list[str] = []
    for line in [*lines, ""]:
        if not line and data:
            found.append("\n".join(data))
            data = []
        name, _, value = line.partition(":")
        if name == "data":
            data.append(value.removeprefix(" "))
    return found


@given(lines=st.lists(st.tuples(LINES, ENDS), max_size=20), cuts=st.lists(st.integers(0, 400), max_size=30))
def test_any_cut_gives_the_same_events(lines: list[tuple[str, str]], cuts: list[int]) -> None:
    stream = "".join(text + end for text, end in lines).encode()
    places = sorted({min(cut, len(stream)) for cut in cuts} | {0, len(stream)})
    pieces = [stream[start:end] for start, end in pairwise(places)]
    # A CR directly before an LF is one line end; the reference sees lines as the byte stream has them.
    expected = _reference(stream.decode().replace("\r\n", "\n").replace("\r", "\n").split("\n"))
    assert _decode(pieces) == expected
    assert _decode([bytes([byte]) for byte in stream]) == expected


def test_events_come_out_as_soon_as_they_are_complete() -> None:
    decoder = SseDecoder()
    assert decoder.feed(b"data: 1\r\n\r") == ["1"]
    assert decoder.feed(b"\ndata: 2\n") == []
    assert decoder.feed(b"\n") == ["2"]
    assert decoder.close() == []


def test_a_byte_order_mark_and_a_missing_last_blank_line_do_no_harm() -> None:
    assert _decode([b"\xef\xbb\xbfdata: 1\n\ndata: 2"]) == ["1", "2"]
