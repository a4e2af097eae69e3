"""Each format says of every sample the same: metric, labels, instant and value."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from exporter.backfill.formats import OpenMetrics, RemoteWrite
from exporter.backfill.recorder import Recorder, Section
from exporter.views import providers, utilization

FIRST, SECOND, THIRD, FOURTH = INSTANTS = (1775800000, 1775800300, 1775800600, 1775800900)
JOB = {"job": "ledger"}
ODD = "Ωmega, {a='b'}"

Told = dict[tuple[str, frozenset[tuple[str, str]]], list[tuple[int, float]]]


def section() -> Section:
    """Two gauges, of which one ends and begins again, and a counter."""
    recorder = Recorder()
    spent = {FIRST: 0.1, SECOND: 0.1, THIRD: None, FOURTH: 1e21}
    for instant in INSTANTS:
        spend, total = utilization.SPEND.family(), providers.SPEND_TOTAL.family()
        spend.add((ODD, "today"), 7)
        if spent[instant] is not None:
            spend.add(("other", "today"), spent[instant])
        total.add(("Codex", "", "q"), instant - FIRST)
        recorder.take(instant, [spend, total])
    return recorder.empty()


def labels(**own: str) -> frozenset[tuple[str, str]]:
    return frozenset({**own, **JOB}.items())


EXPECTED: Told = {
    ("ledger_quest_spend_usd", labels(quest=ODD, window="today")): [(instant, 7.0) for instant in INSTANTS],
    ("ledger_quest_spend_usd", labels(quest="other", window="today")): [(FIRST, 0.1), (SECOND, 0.1), (FOURTH, 1e21)],
    ("ledger_spend_usd_total", labels(provider="Codex", model="", quest="q")): [
        (FIRST, 0.0), (SECOND, 300.0), (THIRD, 600.0), (FOURTH, 900.0),
    ],
}  # fmt: skip


def test_a_section_knows_its_size() -> None:
    assert section().size() == (3, 11)


def test_openmetrics_is_read_by_the_client_library() -> None:
    """Its parser refuses what is not in order: metrics in one piece, series in one piece, instants ascending."""
    text = b"".join(OpenMetrics(JOB).pieces(section())) + OpenMetrics.END
    found: Told = {}
    for family in text_string_to_metric_families(text.decode()):
        for sample in family.samples:
            found.setdefault((sample.name, frozenset(sample.labels.items())), []).append(
                (int(float(sample.timestamp)), sample.value)
            )

    assert found == EXPECTED


def test_what_is_held_at_once_is_a_series() -> None:
    """Not a metric of a day, which may be hundreds of megabytes."""
    assert len(list(OpenMetrics(JOB).pieces(section()))) == len(EXPECTED)


def test_a_beginning_is_remembered_for_its_own_series() -> None:
    """A second section of the same series reads as the first."""
    openmetrics = OpenMetrics(JOB)

    assert list(openmetrics.pieces(section())) == list(openmetrics.pieces(section()))


def varint(data: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        number |= (data[at] & 0x7F) << shift
        shift, at = shift + 7, at + 1
        if not data[at - 1] & 0x80:
            return number, at


def fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """The fields of a message of protobuf: varints, doubles and what has a length."""
    at = 0
    while at < len(data):
        tag, at = varint(data, at)
        kind = tag & 7
        if kind == 0:
            value, at = varint(data, at)
            yield tag >> 3, value
        else:
            length, at = (8, at) if kind == 1 else varint(data, at)
            assert at + length <= len(data)
            yield tag >> 3, data[at : at + length]
            at += length


def unsnapped(data: bytes) -> bytes:
    """Snappy's block format, of which only literals are understood."""
    length, at = varint(data, 0)
    found = b""
    while at < len(data):
        assert data[at] == 61 << 2
        size = struct.unpack_from("<H", data, at + 1)[0] + 1
        found += data[at + 3 : at + 3 + size]
        at += 3 + size
    assert len(found) == length
    return found


def test_remote_write() -> None:
    """Series with their labels in order, none of them empty, and samples with instants in milliseconds."""
    found: Told = {}
    for number, series in fields(unsnapped(RemoteWrite.request(list(RemoteWrite(JOB).pieces(section()))))):
        assert number == 1
        parts = list(fields(bytes(series)))
        pairs = [
            tuple(bytes(text).decode() for _, text in fields(bytes(part))) for number, part in parts if number == 1
        ]
        assert sorted(pairs) == pairs
        names = dict(pairs)
        samples = [dict(fields(bytes(part))) for number, part in parts if number == 2]
        found[names.pop("__name__"), frozenset(names.items())] = [
            (int(sample[2]) // 1000, struct.unpack("<d", bytes(sample[1]))[0]) for sample in samples
        ]

    without_empty = {(name, frozenset(pair for pair in own if pair[1])): told for (name, own), told in EXPECTED.items()}
    assert found == without_empty


@pytest.mark.parametrize("size", [0, 1, 65_536, 65_537, 200_000])
def test_any_size_is_snapped(size: int) -> None:
    content = bytes(number % 251 for number in range(size))

    assert unsnapped(RemoteWrite.request([content])) == content
