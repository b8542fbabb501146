"""Lines and events: decoding, encoding, stamping."""

import json
import math
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from runlog import decode, encode, now_iso, stamp
from runlog.disk.records import MAX_LINE_BYTES, from_iso, head_of, is_well_formed, malformed

NOW = "2025-01-19T10:30:45.123Z"

TEXT = st.text(st.characters(exclude_categories=()))  # lone surrogates too
SMALL = st.integers(-(1 << 63), (1 << 63) - 1)
VALUE = st.recursive(
    st.none() | st.booleans() | SMALL | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)
EVENT = st.dictionaries(TEXT, VALUE, max_size=5)


@given(EVENT)
@example({"text": "\ud800", "n": 1})
def test_events_survive_the_way_to_bytes_and_back(event: dict[str, Any]) -> None:
    line = encode(event)
    assert line.endswith(b"\n") and line.count(b"\n") == 1
    assert decode(line) == event
    assert is_well_formed(line[:-1])


@given(EVENT, st.sampled_from([None, 1, "\t"]), st.booleans())
def test_decode_agrees_with_the_standard_library(
    event: dict[str, Any], indent: Any, ascii_only: bool
) -> None:
    text = json.dumps(event, indent=indent, ensure_ascii=ascii_only)
    try:
        line = text.encode()
    except UnicodeEncodeError:  # a lone surrogate that was not escaped is no UTF-8
        return
    assert decode(line) == json.loads(text)


@given(st.binary(max_size=60) | st.text(alphabet='{}[]",:\\u0d8 1eE+-.NaInfinity\t', max_size=40))
def test_decode_refuses_what_the_standard_library_refuses(raw: bytes | str) -> None:
    line = raw.encode() if isinstance(raw, str) else raw
    try:
        expected = json.loads(line.decode(), parse_constant=float.fromhex)
    except ValueError:
        expected = None
    decoded = decode(line)
    assert (decoded is None) == (not isinstance(expected, dict))


@pytest.mark.parametrize(
    "line",
    [b"", b"\n", b"null", b"[1]", b'"x"', b"{", b'{"a":NaN}', b'{"a":-Infinity}', b'{"a":1,}']
    + [b"\xef\xbb\xbf{}", b'{"a":"\xff"}', b'{"a":"\x01"}', b"[" * 5000 + b"]" * 5000]
    + [b'{"a":' * 5000 + b"1" + b"}" * 5000, b'{"a":' + b"9" * 5000 + b"}"],
)
def test_what_is_no_event(line: bytes) -> None:
    assert decode(line) is None


def test_integers_over_64_bits() -> None:
    line = encode({"n": 1 << 70, "m": -(1 << 100)})
    assert json.loads(line) == {"n": 1 << 70, "m": -(1 << 100)}
    assert decode(line) == {"n": float(1 << 70), "m": -float(1 << 100)}


@pytest.mark.parametrize("beside", [1, 1 << 70, "\udfff"])
def test_nan_and_infinity_become_null(beside: object) -> None:
    event = {"a": math.nan, "b": [math.inf, {"c": -math.inf}], "beside": beside}
    assert json.loads(encode(event)) == {"a": None, "b": [None, {"c": None}], "beside": beside}


def test_what_json_cannot_hold() -> None:
    with pytest.raises(ValueError, match="not an event"):
        encode({"a": object()})
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(ValueError, match="not an event"):
        encode({"a": deep})
    while deep:  # freed level by level: the destructor of so deep a list may not nest either
        deep = deep.pop()


def test_nesting_beyond_what_orjson_writes() -> None:
    deep: list[Any] = []
    for _ in range(400):
        deep = [deep]
    assert decode(encode({"a": deep})) == {"a": deep}


@given(EVENT.filter(lambda event: "timestamp" not in event), st.sampled_from(["", " ", "\t \r"]))
@example({}, "  ")
@example({"a": {"timestamp": 1}}, "")
@example({"text": '{"timestamp":1}'}, "")
@example({'"timestamp"': 1}, "")
@example({"back\\": "slash\\"}, "")
def test_stamp_adds_a_timestamp_and_nothing_else(event: dict[str, Any], space: str) -> None:
    line = (space + json.dumps(event) + space).encode() + b"\n"
    stamped = stamp(line, NOW)
    assert stamped.startswith(line.rstrip()[:-1])
    assert decode(stamped) == event | {"timestamp": NOW}
    assert stamped.endswith(b"\n") and stamped.count(b"\n") == 1
    assert stamp(stamped, "later") == stamped


@pytest.mark.parametrize(
    "line",
    [
        b'{"timestamp":"then"}\n',
        b'{"a":1, "timestamp" : null }\r\n',
        b'{"\\u0074imestamp":"then"}\n',
        b'{"\\u0074\\u0069mestamp":1,"a":"\\\\"}\n',
    ],
)
def test_a_line_that_has_a_timestamp_stays(line: bytes) -> None:
    assert stamp(line, NOW) == line


@given(st.binary(max_size=50).map(lambda raw: raw.replace(b"\n", b"") + b"\n"))
@example(b"{not json}\n")
@example(b'{"a":1,}\n')
@example(b"{}{}\n")
@example(b'{"half\n')
@example(b"\n")
def test_a_line_that_is_no_object_stays(line: bytes) -> None:
    if decode(line) is None:
        assert stamp(line, NOW) == line


def test_spaces_are_kept_by_stamp() -> None:
    assert stamp(b' {"a": 1 } \n', "t") == b' {"a": 1 ,"timestamp":"t"}\n'
    assert stamp(b"{ }\n", "t") == b'{ "timestamp":"t"}\n'


def test_times() -> None:
    assert from_iso(NOW) == datetime(2025, 1, 19, 10, 30, 45, 123000, UTC)
    assert from_iso("2025-01-19T12:30:45.123+02:00") == from_iso(NOW)
    assert from_iso("2025-01-19T10:30:45.123") == from_iso(NOW)
    before = datetime.now(UTC)
    now = from_iso(now_iso())
    assert now is not None and before - timedelta(milliseconds=1) < now <= datetime.now(UTC)
    assert len(now_iso()) == len(NOW)


@given(VALUE)
@example("0001-01-01T00:00:00+14:00")
@example("9999-12-31T23:59:59-14:00")
def test_a_time_that_is_none(value: object) -> None:
    moment = from_iso(value)
    assert moment is None or moment.tzinfo is UTC


@pytest.mark.parametrize(
    ("line", "well"),
    [
        (b"{}", True),
        (b' \t{"a":1}\r', True),
        (b"{nonsense}", True),  # the cheap test: it does not parse
        ('{"ü":"😀"}'.encode(), True),
        (b'{"a":"\xc3"}', False),
        (b"[1]", False),
        (b"{", False),
        (b"}", False),
        (b"text", False),
        (b"", False),
        (b"{" + b" " * (MAX_LINE_BYTES - 2) + b"}", True),
        (b"{" + b" " * (MAX_LINE_BYTES - 1) + b"}", False),
    ],
)
def test_the_cheap_test_of_a_line(line: bytes, well: bool) -> None:
    assert is_well_formed(line) is well


def test_what_stands_in_for_a_malformed_line() -> None:
    assert head_of(b"\xff" + b"x" * 300) == "\ufffd" + "x" * 199
    assert malformed(12, 11, "x") == {"type": "malformed", "offset": 12, "length": 11, "head": "x"}
