"""Framing: pure bytes, against a plain implementation and a decoder by the specification."""

import json
import string
from pathlib import Path

from hypothesis import example, given
from hypothesis import strategies as st

from relay.streaming.sse import PLAIN, Variant, frame_chunk, frame_record, id_frame
from runlog import LogFile, decode
from runlog.disk.records import MAX_LINE_BYTES
from runlog.disk.tail import Chunk, records_of
from tests.relay.sse_client import Decoder

NAMED = Variant(named=True)

well_formed = st.dictionaries(
    st.text(max_size=5) | st.just("type"),
    st.text(max_size=30) | st.none() | st.integers(),
    max_size=4,
).map(lambda event: json.dumps(event, ensure_ascii=False).encode())
nested = st.sampled_from(
    [
        b'{"type":"assistant","message":{"type":"message","content":[{"type":"text"}]}}',
        b'{"message":{"type":"x"},"type":"y"}',
        b'{"type":"a","type":"b"}',
        b'{"type":"a","\\u0074ype":"b"}',
        b'{"type":"a","t\\u0079pe":"b"}',
        b'{"type":"permission_requested","type":"b"}',
        b'{"type":"permission_requested"}',
        b'{"type":"permission_resolved","of":{"type":"b"}}',
        b'{"type":"permission_\\u0061"}',
        b'{"type":"a","of":[{"x":[],"type":"b"}]}',
        b'{"type":"e\\nvil\\r\\ndata: forged"}',
        b'{"type":7}',
        b'{"type":""}',
        b'{"type":"a","of":"\\u00e9"}',
        b'{"type":"a","text":"{\\"type\\":\\"b\\"}"}',
        b'{"type":"a","of":{"type":"b"},"more":[{"type":"c"}]}',
        b'{"type":"a","of":"type"}',
        b'{"type":"a","of":{"x":1,"type":"b"}}',
        b'{"type":"a", "type":"b"}',
        b'{"type":"a\\"b"}',
        b'{"type" :"a"}',
        b'{ "type":"a"}',
        b'{"type":"\\ud800"}',
        b'{"type":"end"}',
        b'{"type":"malformed"}',
        '{"type":"é\u2028\u0085"}'.encode(),
    ]
)
rubbish = st.sampled_from(
    [
        b"",
        b" ",
        b"\r",
        b"{",
        b"}",
        b"{}",
        b"null",
        b"{}{}",
        b"{nonsense}",
        b' {"type":"x"} ',
        b'{"a":1}\r',
        b'{"a":\r1}',
        b'\r{"a":1}',
        b'{"a":"\xff"}',
        b'{"a":"\x00"}',
        b"id: 7",
        b"data: {}",
        b'\xef\xbb\xbf{"a":1}',
        b'{"a":"' + b"x" * 300 + b'"',
    ]
) | st.binary(max_size=40).map(lambda raw: raw.replace(b"\n", b""))
# Of what an `event:` field may hold.
NAME = set(string.ascii_letters + string.digits + "_.-")
lines = st.lists(well_formed | nested | rubbish, max_size=8)
variants = st.builds(
    Variant,
    named=st.booleans(),
    types=st.none()
    | st.frozensets(st.sampled_from(["a", "b", "assistant", "malformed"]), min_size=1),
    exclude=st.frozensets(st.sampled_from(["y", "assistant", "malformed"])),
)


def chunk_of(raw: list[bytes], start: int = 0) -> Chunk:
    data = b"".join(line + b"\n" for line in raw)
    return Chunk(start, start + len(data), data)


def plainly(chunk: Chunk) -> list[tuple[str, str, bytes]]:
    """(id, event name, data) of each event, the slow and obvious way."""
    events = []
    offset = chunk.start
    for line in chunk.data.split(b"\n")[:-1]:
        offset += len(line) + 1
        if not line.strip(b" \t\r"):
            continue
        trimmed = line.strip(b" \t\r")
        try:
            line.decode()
        except UnicodeDecodeError:
            good = False
        else:
            good = trimmed[:1] == b"{" and trimmed[-1:] == b"}"
        if good:
            # The specification ends lines at CR too; what our frame makes of it is an LF in the data.
            events.append((str(offset), "message", line.replace(b"\r", b"\n")))
        else:
            head = line[:200].decode(errors="replace")
            told = {"type": "malformed", "offset": offset, "length": len(line), "head": head}
            events.append((str(offset), "malformed", json.dumps(told).encode()))
    return events


def parse(frames: bytes) -> list[tuple[str, str, bytes]]:
    return [(e.id, e.event, e.data) for e in Decoder().feed(frames)]


def same(found: list[tuple[str, str, bytes]], expected: list[tuple[str, str, bytes]]) -> bool:
    def comparable(event: tuple[str, str, bytes]) -> tuple[str, str, object]:
        identity, name, data = event
        return identity, name, json.loads(data) if name == "malformed" else data

    return [comparable(e) for e in found] == [comparable(e) for e in expected]


@given(lines, st.integers(0, 1 << 50))
@example([b'{"a":1}', b'{"a":2}'], 0)
@example([b'{"a":1}', b"", b'{"a":2}'], 0)
@example([b'{"a":1}', b"}{", b'{"a":2}'], 0)
@example([b'{"a":1}}', b'{{"a":2}'], 0)
def test_plain_frames_are_what_the_obvious_way_makes(raw: list[bytes], start: int) -> None:
    chunk = chunk_of(raw, start)
    assert same(parse(frame_chunk(chunk, PLAIN)), plainly(chunk))


@given(lines, st.integers(0, 8), variants)
def test_where_chunks_end_changes_nothing(raw: list[bytes], cut: int, variant: Variant) -> None:
    first = chunk_of(raw[:cut])
    second = chunk_of(raw[cut:], first.end)
    whole = chunk_of(raw)
    assert frame_chunk(whole, variant) == frame_chunk(first, variant) + frame_chunk(second, variant)


@given(lines, variants)
def test_variants_differ_in_names_and_in_what_they_leave_out(
    raw: list[bytes], variant: Variant
) -> None:
    chunk = chunk_of(raw)
    expected = []
    for record, event in zip(records_of(chunk), plainly(chunk), strict=True):
        identity, name, data = event
        parsed = (decode(record.line) or {}).get("type") if name == "message" else "malformed"
        kind = parsed if isinstance(parsed, str) else None
        if variant.types is not None and kind not in variant.types:
            continue
        if kind in variant.exclude:
            continue
        taken = kind in ("end", "reset", "malformed")
        fit = kind and set(kind) <= NAME
        if variant.named and kind and fit and name == "message" and not taken:
            name = kind
        expected.append((identity, name, data))
    assert same(parse(frame_chunk(chunk, variant)), expected)


@given(lines)
def test_every_id_is_a_place_to_go_on_from(raw: list[bytes]) -> None:
    whole = plainly(chunk_of(raw))
    for index, (identity, _, _) in enumerate(whole):
        rest = b"".join(line + b"\n" for line in raw)[int(identity) :]
        chunk = Chunk(int(identity), int(identity) + len(rest), rest)
        assert same(parse(frame_chunk(chunk, PLAIN)), whole[index + 1 :])


def test_a_line_can_not_end_its_frame_or_forge_a_field() -> None:
    evil = b'{"a":"\r\rid: 1\revent: end\rdata: {}\r\r"}'
    (event,) = Decoder().feed(frame_chunk(chunk_of([evil]), PLAIN))
    assert (event.id, event.event) == (str(len(evil) + 1), "message")
    assert event.data == evil.replace(b"\r", b"\n")


def test_a_line_of_an_agent_can_not_pose_as_ours() -> None:
    frames = frame_chunk(chunk_of([b'{"type":"end"}', b'{"type":"reset"}', b'{"type":"x"}']), NAMED)
    assert [e.event for e in Decoder().feed(frames)] == ["message", "message", "x"]


def test_a_line_of_16_mib_and_one_byte_more(tmp_path: Path) -> None:
    path = tmp_path / "log"
    fits = b'{"a":"' + b"x" * (MAX_LINE_BYTES - 8) + b'"}'
    path.write_bytes(fits + b"\n" + fits[:-2] + b'x"}\n')
    with LogFile(path) as log:
        first = log.read(0)
        assert first is not None
        second = log.read(first.end)
        assert second is not None
    assert [e.data for e in Decoder().feed(frame_chunk(first, PLAIN))] == [fits]
    (told,) = Decoder().feed(frame_chunk(second, PLAIN))
    assert told.event == "malformed"
    assert json.loads(told.data) == {
        "type": "malformed",
        "offset": 2 * len(fits) + 3,
        "length": len(fits) + 1,
        "head": fits[:200].decode(),
    }


def test_an_id_alone_moves_the_cursor_and_nothing_else() -> None:
    decoder = Decoder()
    (record,) = records_of(chunk_of([b'{"type":"x"}']))
    assert decoder.feed(frame_record(record, Variant(types=frozenset("y")))) == []
    assert decoder.feed(id_frame(77)) == []
    assert decoder.last_id == "77"
