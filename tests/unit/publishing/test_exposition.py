"""The exposition: what parsers accept, the same in every format, and whole."""

from __future__ import annotations

import gzip
import math
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric as LibraryMetric
from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text
from prometheus_client.registry import Collector

from exporter import views
from exporter.names.text import clean
from exporter.publishing import exposition as module
from exporter.publishing.exposition import DEFAULT_FORMAT, GZIP, IDENTITY, OPENMETRICS, TEXT, Demand, Exposition, Lines
from exporter.publishing.snapshot import RankedTask
from exporter.views.metric import Family, Metric
from tests.support.snapshots import cost_figures, impact_figures, snapshot, spend, usd

GAUGE = Metric("ledger_quest_spend_usd", 'Spend in US dollars,\nby "quest" \\ window.', ("quest", "window"))
COUNTER = Metric("ledger_spend_usd_total", "Spend in US dollars.", ("quest",))
X = ("A", "m", "x")

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def family(metric: Metric, samples: dict[tuple[str, ...], float]) -> Family:
    made = metric.family()
    for labels, value in samples.items():
        made.add(labels, value)
    return made


def body(exposition: Exposition, content_type: str) -> str:
    return exposition.body((content_type, IDENTITY)).decode()


def parsed(exposition: Exposition, content_type: str) -> Samples:
    """Every sample of the exporter's own, as a parser that knows the format understands it."""
    parse = parse_text if content_type == TEXT else parse_openmetrics
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for metric in parse(body(exposition, content_type))
        for sample in metric.samples
        if sample.name.startswith("ledger_")
    }


def everything() -> list[Family]:
    """Families of every kind, as the views make them."""
    cost = cost_figures(spend((X, 0, usd("0.1", 1, 2))), counters={X: usd("5")}, first_seen={("A", "m"): 1})
    best = RankedTask("t", "x", "Atlas", "Ω 'quoted' 🚀", Decimal(1), Decimal(3), 5, Fraction(1, 3))
    return views.families(
        snapshot(cost=cost, impact=impact_figures(best=(best,)), instant=1e9 + 0.123456, quest_ids={"x": "q-1"})
    )


@pytest.mark.parametrize("content_type", [TEXT, OPENMETRICS])
def test_a_parser_reads_back_every_sample_to_the_last_bit(content_type: str) -> None:
    families = everything()
    expected = {
        (one.name, tuple(sorted(zip(one.labels, labels, strict=True)))): value
        for one in families
        for labels, value in one.samples.items()
    }

    assert parsed(Exposition(families), content_type) == expected


@given(st.dictionaries(st.text(max_size=20).map(clean), st.floats(allow_nan=False), max_size=5))
def test_whatever_a_label_and_a_value_are_both_formats_carry_them(samples: dict[str, float]) -> None:
    exposition = Exposition([family(GAUGE, {(quest, "today"): value for quest, value in samples.items()})])
    expected = {
        ("ledger_quest_spend_usd", (("quest", quest), ("window", "today"))): value for quest, value in samples.items()
    }

    assert parsed(exposition, TEXT) == expected
    assert parsed(exposition, OPENMETRICS) == expected


@given(st.text(alphabet='"\\\n{}=,# aé🚀', max_size=12))
def test_even_a_label_that_was_not_cleaned_breaks_nothing(label: str) -> None:
    exposition = Exposition([family(COUNTER, {(label,): 1})])

    assert parsed(exposition, TEXT) == parsed(exposition, OPENMETRICS) == {
        ("ledger_spend_usd_total", (("quest", label),)): 1.0
    }  # fmt: skip


class _Library(Collector):
    """The same families as the client library's own."""

    def __init__(self, families: list[Family]) -> None:
        self._families = families

    def collect(self) -> Iterator[LibraryMetric]:
        for one in self._families:
            metric = LibraryMetric(one.name.removesuffix("_total"), one.metric.help, one.metric.kind)
            for labels, value in one.samples.items():
                metric.add_sample(one.name, dict(zip(one.labels, labels, strict=True)), value)
            yield metric


def as_the_library_writes(families: list[Family], content_type: str) -> bytes:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Library(families))
    return (generate_latest if content_type == TEXT else generate_openmetrics)(registry).removesuffix(b"# EOF\n")


def own(exposition: Exposition, content_type: str) -> bytes:
    """An exposition without the process's own metrics, which the library writes itself."""
    head, _, _ = (b"\n" + exposition.body((content_type, IDENTITY))).partition(b"\n# HELP process_")
    return head[1:] + b"\n" if len(head) > 1 else b""


any_value = st.floats() | st.sampled_from(
    [math.inf, -math.inf, math.nan, -0.0, 1e6, 1e7, 123456789.5, 1e22, -1e7, 5e-324]
)
any_text = st.text(max_size=12) | st.text(alphabet='"\\\n{}=,# \r\t\x00\u2028é🚀', max_size=8)
declared = st.sampled_from([(), ("quest",), ("quest", "window"), ("window", "quest", "layer")]).flatmap(
    lambda labels: st.tuples(
        st.sampled_from(["ledger_some_usd", "ledger_some_usd_total"]),
        any_text,
        st.just(labels),
        st.dictionaries(st.tuples(*[any_text] * len(labels)), any_value, max_size=5),
    )
)


def declare(name: str, words: str, labels: tuple[str, ...], samples: dict[tuple[str, ...], float]) -> Family:
    return family(Metric(name, words, labels), samples)


@pytest.mark.parametrize("content_type", [TEXT, OPENMETRICS])
class TestAsTheLibraryWrites:
    """Byte for byte what `prometheus_client` writes, which knows the formats' subtle rules."""

    @given(declared)
    def test_whatever_labels_values_and_help_are(self, content_type: str, declared: tuple[object, ...]) -> None:
        families = [declare(*declared)]  # type: ignore[arg-type]

        assert own(Exposition(families), content_type) == as_the_library_writes(families, content_type)

    def test_all_views(self, content_type: str) -> None:
        families = everything()

        assert own(Exposition(families), content_type) == as_the_library_writes(families, content_type)

    @given(st.lists(st.dictionaries(st.tuples(any_text, any_text), any_value, max_size=5), min_size=2, max_size=4))
    def test_also_where_beginnings_of_lines_are_remembered(
        self, content_type: str, refreshes: list[dict[tuple[str, ...], float]]
    ) -> None:
        """Label sets come and go, and their values change."""
        lines = Lines()
        for samples in refreshes:
            families = [family(GAUGE, samples)]

            assert own(Exposition(families, lines=lines), content_type) == as_the_library_writes(families, content_type)


def test_only_lines_of_the_last_refresh_are_remembered() -> None:
    """A label set that is gone takes no memory."""
    lines = Lines()
    for quest in ("x", "y"):
        Exposition([family(COUNTER, {(quest,): 1})], lines=lines)

    assert lines._beginnings == {COUNTER.name: {("y",): 'ledger_spend_usd_total{quest="y"} '}}  # noqa: SLF001


@pytest.mark.parametrize("content_type", [TEXT, OPENMETRICS])
def test_gzip_says_the_same(content_type: str) -> None:
    exposition = Exposition(everything())

    assert gzip.decompress(exposition.body((content_type, GZIP))) == exposition.body((content_type, IDENTITY))


def test_gzip_is_much_smaller() -> None:
    samples = {(f"quest {number}", window): 1.0 for number in range(200) for window in ("today", "7d")}
    exposition = Exposition([family(GAUGE, samples)])

    assert len(exposition.body((TEXT, GZIP))) < len(exposition.body((TEXT, IDENTITY))) / 4


def test_a_counter_keeps_its_name_in_both_formats() -> None:
    exposition = Exposition([family(COUNTER, {("x",): 1})])

    assert "# TYPE ledger_spend_usd_total counter\n" in body(exposition, TEXT)
    assert "# TYPE ledger_spend_usd counter\n" in body(exposition, OPENMETRICS)
    assert 'ledger_spend_usd_total{quest="x"} 1.0\n' in body(exposition, TEXT)
    assert 'ledger_spend_usd_total{quest="x"} 1.0\n' in body(exposition, OPENMETRICS)


@pytest.mark.parametrize("content_type", [TEXT, OPENMETRICS])
def test_there_are_no_created_series(content_type: str) -> None:
    """They would double the counters' series and say when a process started, which `process_*` says once."""
    assert "_created" not in body(Exposition(everything()), content_type)


def test_openmetrics_ends_with_its_mark() -> None:
    assert body(Exposition([]), OPENMETRICS).endswith("\n# EOF\n")


def test_every_family_has_its_help_and_type_once() -> None:
    families = everything()
    lines = body(Exposition(families), TEXT).splitlines()

    for one in families:
        assert len([line for line in lines if line.startswith(f"# HELP {one.name} ")]) == 1
        assert lines.count(f"# TYPE {one.name} {one.metric.kind}") == 1


def test_a_value_beyond_floats_is_readable() -> None:
    exposition = Exposition([family(COUNTER, {("x",): math.inf})])

    assert parsed(exposition, TEXT) == parsed(exposition, OPENMETRICS) == {
        ("ledger_spend_usd_total", (("quest", "x"),)): math.inf
    }  # fmt: skip


def test_the_process_tells_of_itself() -> None:
    text = body(Exposition([]), TEXT)

    assert "\nprocess_cpu_seconds_total " in text
    assert "\nprocess_resident_memory_bytes " in text


def test_series_are_counted_without_those_of_the_process() -> None:
    assert Exposition([family(GAUGE, {("x", "today"): 1, ("y", "today"): 1}), family(COUNTER, {("x",): 1})]).series == 3


def test_equal_families_make_equal_bytes() -> None:
    """Also compressed: no time of day hides in them."""

    def without_process(exposition: Exposition) -> str:
        return "".join(line for line in body(exposition, TEXT).splitlines(keepends=True) if "process_" not in line)

    assert without_process(Exposition(everything())) == without_process(Exposition(everything()))
    assert Exposition([]).body((TEXT, GZIP))[4:8] == bytes(4)


class TestReadyBytes:
    def test_what_was_rendered_ahead_is_served_as_it_is(self) -> None:
        """Also after the families it was made of are gone or changed: a scrape sees one snapshot."""
        families = [family(COUNTER, {("x",): 1})]
        exposition = Exposition(families, [DEFAULT_FORMAT])
        families[0].add(("y",), 1)

        assert 'quest="y"' not in body(exposition, TEXT)

    def test_a_format_nobody_asked_for_is_rendered_once_when_it_is(self) -> None:
        exposition = Exposition(everything())

        assert exposition.body((OPENMETRICS, GZIP)) is exposition.body((OPENMETRICS, GZIP))


class TestDemand:
    """A refresh renders ahead what was asked for lately, and nothing else."""

    @pytest.fixture
    def clock(self, monkeypatch: pytest.MonkeyPatch) -> list[float]:
        now = [1000.0]
        monkeypatch.setattr(module, "monotonic", lambda: now[0])
        return now

    def test_before_any_scrape_it_is_the_plainest_format(self) -> None:
        assert Demand().recent() == {(TEXT, IDENTITY)}

    def test_a_format_is_wanted_for_ten_minutes(self, clock: list[float]) -> None:
        demand = Demand()
        demand.note((OPENMETRICS, GZIP))
        clock[0] += 600

        assert demand.recent() == {DEFAULT_FORMAT, (OPENMETRICS, GZIP)}

    def test_and_not_longer(self, clock: list[float]) -> None:
        demand = Demand()
        demand.note((OPENMETRICS, GZIP))
        clock[0] += 600.1

        assert demand.recent() == {DEFAULT_FORMAT}

    def test_each_scrape_counts_anew(self, clock: list[float]) -> None:
        demand = Demand()
        demand.note((OPENMETRICS, GZIP))
        clock[0] += 500
        demand.note((OPENMETRICS, GZIP))
        clock[0] += 500

        assert (OPENMETRICS, GZIP) in demand.recent()
