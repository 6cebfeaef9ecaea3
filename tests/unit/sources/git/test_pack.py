"""Packs and loose objects are read with bounds, whatever they say of themselves."""

import io
import struct
import tracemalloc
import zlib
from contextlib import nullcontext, suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

import weft.sources.git.pack
from tests.support.sources.git_repos import (
    OFS_DELTA,
    REF_DELTA,
    copy,
    delta,
    encode_distance,
    pack_entry,
    pack_of,
)
from weft.sources.git.delta import BadObject, ObjectTooLarge, TooMuchWork, apply_delta
from weft.sources.git.pack import (
    BLOB,
    MAX_FETCHED_OBJECTS,
    Pack,
    PackIndex,
    index_pack,
    object_id_of,
    read_loose,
)

BASE = b"The quick brown fox jumps over the lazy dog. " * 20
CHANGED = BASE[:100] + b"A NEW PART" + BASE[50:200]
COPY_OF_A_BYTE = b"\x90\x01"
CHANGE = delta(len(BASE), len(CHANGED), copy(0, 100), b"\x0aA NEW PART", copy(50, 150))


def open_pack(*entries: bytes) -> tuple[Pack, dict[bytes, int]]:
    offsets: dict[bytes, int] = {}
    return Pack(io.BytesIO(pack_of(*entries)), offsets.get), offsets


def read_indexed(*entries: bytes) -> dict[bytes, bytes]:
    """The contents of all readable objects, by id."""
    pack, offsets = open_pack(*entries)
    index_pack(pack, offsets)
    return {name: pack.read(offset)[1] for name, offset in offsets.items()}


def loose(whole: bytes) -> tuple[int, bytes]:
    return read_loose(io.BytesIO(zlib.compress(whole)))


def test_whole_objects_are_found_by_their_content() -> None:
    found = read_indexed(pack_entry(BLOB, BASE), pack_entry(BLOB, b""))
    assert found == {object_id_of(BLOB, BASE): BASE, object_id_of(BLOB, b""): b""}


def test_pack_of_too_many_objects_is_refused_before_they_are_read() -> None:
    head = struct.pack(">4sII", b"PACK", 2, MAX_FETCHED_OBJECTS + 1)
    offsets: dict[bytes, int] = {}
    with pytest.raises(ObjectTooLarge, match="more than"):
        index_pack(Pack(io.BytesIO(head), offsets.get), offsets)


def test_delta_on_an_earlier_object_is_applied() -> None:
    first = pack_entry(BLOB, BASE)
    second = pack_entry(OFS_DELTA, CHANGE, base=encode_distance(len(first)))
    assert read_indexed(first, second)[object_id_of(BLOB, CHANGED)] == CHANGED


def test_delta_before_its_base_is_applied() -> None:
    base = object_id_of(BLOB, CHANGED)
    last = delta(len(CHANGED), 10, copy(0, 10))
    found = read_indexed(
        pack_entry(REF_DELTA, last, base=base),
        pack_entry(REF_DELTA, CHANGE, base=object_id_of(BLOB, BASE)),
        pack_entry(BLOB, BASE),
    )
    assert found[object_id_of(BLOB, CHANGED[:10])] == CHANGED[:10]


def test_deltas_in_a_circle_or_without_a_base_are_left_out() -> None:
    one, other = b"1" * 20, b"2" * 20
    found = read_indexed(
        pack_entry(BLOB, b"fine"),
        pack_entry(REF_DELTA, CHANGE, base=one),
        pack_entry(REF_DELTA, CHANGE, base=other),
    )
    assert list(found.values()) == [b"fine"]


def test_endless_chain_of_deltas_is_refused() -> None:
    pack, offsets = open_pack(pack_entry(REF_DELTA, CHANGE, base=b"1" * 20))
    offsets[b"1" * 20] = 12
    with pytest.raises(BadObject):
        pack.read(12)


def test_chain_of_large_deltas_is_refused_before_it_fills_the_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(weft.sources.git.pack, "MAX_CHAIN_BYTES", 20_000)
    entries, start = [pack_entry(BLOB, BASE)], 12
    offset = start + len(entries[0])
    for _ in range(3):
        back = encode_distance(len(entries[-1]))
        # Nothing is known of a delta but its size until all of its chain has been read.
        entries.append(pack_entry(OFS_DELTA, b"\0" * 9_000, base=back))
        offset += len(entries[-1])
    pack, _ = open_pack(*entries)
    with pytest.raises(ObjectTooLarge):
        pack.read(offset - len(entries[-1]))
    with pytest.raises(BadObject) as short:
        pack.read(offset - len(entries[-1]) - len(entries[-2]))
    assert not isinstance(short.value, ObjectTooLarge)


def test_delta_of_endless_operations_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weft.sources.git.pack, "MAX_OBJECT_STEPS", 20_000)
    for times, refused in ((10_000, False), (100_000, True)):
        base = pack_entry(BLOB, BASE)
        bomb = delta(len(BASE), times, COPY_OF_A_BYTE * times)
        pack, _ = open_pack(base, pack_entry(OFS_DELTA, bomb, base=encode_distance(len(base))))
        with pytest.raises(TooMuchWork) if refused else nullcontext():
            pack.read(12 + len(base))


@pytest.mark.parametrize("limit", ["MAX_OBJECT_BUILT_BYTES", "MAX_PACK_BUILT_BYTES"])
def test_chain_of_large_results_is_refused(monkeypatch: pytest.MonkeyPatch, limit: str) -> None:
    # Each link is a few bytes and copies all of the one before.
    monkeypatch.setattr(weft.sources.git.pack, limit, 50 * len(BASE))
    entries = [pack_entry(BLOB, BASE)]
    for _ in range(60):
        step = delta(len(BASE), len(BASE), copy(0, len(BASE)))
        back = encode_distance(len(entries[-1]))
        entries.append(pack_entry(OFS_DELTA, step, base=back))
    pack, _ = open_pack(*entries)
    with pytest.raises(TooMuchWork):
        pack.read(12 + sum(map(len, entries[:-1])))


def test_reading_can_be_stopped_inside_an_object() -> None:
    looks = 0

    def look() -> None:
        nonlocal looks
        looks += 1

    base = pack_entry(BLOB, BASE)
    long = delta(len(BASE), 100_000, COPY_OF_A_BYTE * 100_000)
    whole = pack_of(base, pack_entry(OFS_DELTA, long, base=encode_distance(len(base))))
    Pack(io.BytesIO(whole), lambda _: None, look).read(12 + len(base))
    assert looks > 50


def test_large_object_is_indexed_without_being_kept_and_refused_when_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(weft.sources.git.pack, "MAX_OBJECT_BYTES", 1000)
    pack, offsets = open_pack(pack_entry(BLOB, b"x" * 1001), pack_entry(BLOB, b"y" * 1000))
    index_pack(pack, offsets)
    assert pack.read(offsets[object_id_of(BLOB, b"y" * 1000)]) == (BLOB, b"y" * 1000)
    with pytest.raises(ObjectTooLarge):
        pack.read(offsets[object_id_of(BLOB, b"x" * 1001)])


@pytest.mark.parametrize("size", [0, 10, 2_000])
def test_object_that_lies_about_its_size_is_refused(size: int) -> None:
    with pytest.raises(BadObject):
        read_indexed(pack_entry(BLOB, b"x" * 1000, size=size))


def test_delta_bomb_is_refused_before_it_bursts() -> None:
    # A hundred bytes of copy operations that would make 1.6 GB out of 16 MB.
    bomb = delta(1 << 24, 100 << 24, *[copy(0, (1 << 24) - 1)] * 100)
    with pytest.raises(ObjectTooLarge):
        apply_delta(b"x" * (1 << 24), bomb)


def test_delta_that_makes_more_than_it_says_is_stopped_at_once() -> None:
    base = b"x" * 100_000
    bomb = delta(len(base), 10, *[copy(0, len(base))] * 1_000)
    tracemalloc.start()
    try:
        with pytest.raises(BadObject):
            apply_delta(base, bomb)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 10 * len(base)


def test_pack_that_unpacks_to_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weft.sources.git.pack, "MAX_INFLATED_BYTES", 1500)
    with pytest.raises(ObjectTooLarge):
        read_indexed(pack_entry(BLOB, b"x" * 1000), pack_entry(BLOB, b"y" * 1000))


@pytest.mark.parametrize(
    "operations",
    [b"", copy(0, 2_000), copy(900, 10), b"\x0ashort", b"\0", b"\xff\1", copy(0, 5) + b"\x80"],
)
def test_broken_delta_is_refused(operations: bytes) -> None:
    with pytest.raises(BadObject):
        apply_delta(BASE, delta(len(BASE), 10, operations))
    with pytest.raises(BadObject):
        apply_delta(BASE, delta(len(BASE) + 1, 0))


@given(st.binary(max_size=300))
def test_any_bytes_as_a_delta_are_applied_or_refused(data: bytes) -> None:
    try:
        result = apply_delta(b"base", data)
    except BadObject:
        return
    assert data[:1] == b"\x04"
    assert len(result) < 128 * 128


@given(st.integers(0, 400), st.binary(max_size=8))
def test_damaged_pack_is_refused_or_gives_true_objects(position: int, damage: bytes) -> None:
    first = pack_entry(BLOB, BASE)
    whole = bytearray(
        pack_of(first, pack_entry(OFS_DELTA, CHANGE, base=encode_distance(len(first))))
    )
    whole[position : position + len(damage)] = damage
    offsets: dict[bytes, int] = {}
    pack = Pack(io.BytesIO(bytes(whole)), offsets.get)
    with suppress(BadObject):
        index_pack(pack, offsets)
    for name, offset in offsets.items():
        assert object_id_of(*pack.read(offset)) == name


@pytest.mark.parametrize("cut", [0, 4, 11, 12, 13, 30, -21])
def test_pack_that_ends_early_is_refused(cut: int) -> None:
    whole = pack_of(pack_entry(BLOB, BASE))
    offsets: dict[bytes, int] = {}
    with pytest.raises(BadObject):
        index_pack(Pack(io.BytesIO(whole[:cut]), offsets.get), offsets)


def test_indexing_can_be_stopped() -> None:
    def stop() -> None:
        raise InterruptedError

    offsets: dict[bytes, int] = {}
    pack = Pack(io.BytesIO(pack_of(pack_entry(BLOB, BASE))), offsets.get, stop)
    with pytest.raises(InterruptedError):
        index_pack(pack, offsets)


def test_loose_object_is_read() -> None:
    assert loose(b"blob 5\0hello") == (BLOB, b"hello")
    assert loose(b"blob 0\0") == (BLOB, b"")
    assert loose(b"blob 90000\0" + b"x" * 90_000) == (BLOB, b"x" * 90_000)


@pytest.mark.parametrize(
    "whole",
    [
        *(b"", b"blob", b"blob 5\0hell", b"blob 5\0hello!", b"blob x\0", b"note 1\0x"),
        *(b"blob -1\0", b"blob 5" + b" " * 90 + b"\0hello"),
    ],
)
def test_broken_loose_object_is_refused(whole: bytes) -> None:
    with pytest.raises(BadObject):
        loose(whole)


def test_loose_bomb_is_refused_by_its_head_and_a_lying_one_by_its_size() -> None:
    with pytest.raises(ObjectTooLarge):
        loose(b"blob 10000000000\0x")
    with pytest.raises(BadObject):
        loose(b"blob 10\0" + b"\0" * 50_000_000)
    with pytest.raises(BadObject):
        read_loose(io.BytesIO(b"not zlib at all"))


@pytest.mark.parametrize(
    "data", [b"", b"\xfftOc\0\0\0\2", b"\xfftOc\0\0\0\3" + bytes(1024), b"\0" * 2_000]
)
def test_broken_pack_index_is_refused(data: bytes) -> None:
    with pytest.raises(BadObject):
        PackIndex(io.BytesIO(data))


def test_pack_index_with_a_false_count_is_refused() -> None:
    data = b"\xfftOc\0\0\0\2" + (5).to_bytes(4, "big") * 256
    with pytest.raises(BadObject):
        PackIndex(io.BytesIO(data)).find_offset(b"\0" * 20)
    falling = b"\xfftOc\0\0\0\2" + b"".join((255 - n).to_bytes(4, "big") for n in range(256))
    with pytest.raises(BadObject):
        PackIndex(io.BytesIO(falling))


def test_object_id_is_gits_own() -> None:
    assert object_id_of(BLOB, b"").hex() == "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"
