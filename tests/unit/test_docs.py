"""The documentation and the program say the same: metrics, labels, options, configuration keys, links, examples."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import yaml
from pydantic import BaseModel

from exporter import config_file
from exporter.cli import cli
from exporter.config import LEDGERS, Config, Ledger, Ledgers, ProviderPattern, SourceConfig
from exporter.thresholds import CATALOGUE
from exporter.views import METRICS
from scripts import configuration_page, metrics_page
from scripts.page import Page

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md")))
NAMED = [pytest.param(page, id=str(page.relative_to(ROOT))) for page in PAGES]

METRIC_LABELS = {metric.name: set(metric.labels) for metric in METRICS}
NO_METRICS = {"ledger_exporter"}
"""Names that look like a metric's: the role in the database."""

SERVE = cli.commands["serve"]
FOREIGN_OPTIONS = {
    "curl": {"--fail", "--retry", "--retry-delay", "--retry-connrefused"},
    "docker": {"--build", "--volumes", "--tag", "--read-only", "--publish", "--env", "--volume"},
    "kubectl": {"--from-file", "--load-restrictor"},
    "pip": {"--require-hashes", "--no-deps", "--no-build-isolation"},
    "psql": {"--dbname", "--file", "--command"},
    "mypy": {"--strict"},
    "promtool": {"--max-block-duration"},
    "prometheus": {"--web.enable-remote-write-receiver", "--storage.tsdb.retention.time"},
    "tests.replay": {"--seed"},
}
"""Options in the documentation that are another program's."""

SMALLEST = """
sources: {main: {dsn: "postgresql:///platform"}}
ledgers: {cost: {source: main}, impact: {source: main}, budget: {source: main}}
"""


REPEATED: dict[str, tuple[str, type[BaseModel]]] = {
    "sources": ("sources.NAME", SourceConfig),
    "providers": ("providers[]", ProviderPattern),
    **{f"ledgers.{ledger}": ("ledgers.LEDGER", Ledger) for ledger in LEDGERS},
}
"""Keys that stand for several, by what the configuration's page calls them, and what is below them."""


def _blocks(page: Path, language: str) -> list[str]:
    """The fenced blocks of a page whose info string is exactly `language`."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)


def _anchor(heading: str) -> str:
    """The fragment GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def _anchors(page: Path) -> set[str]:
    return {_anchor(heading) for heading in re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)}


def _keys(model: type[BaseModel] = Config, place: str = "") -> Iterator[str]:
    """Every key of the configuration, as its page names it: `limits.series`, `sources.NAME.dsn`, `providers[].family`."""
    for name, field in model.model_fields.items():
        below, nested = REPEATED.get(place + name, (place + name, field.annotation))
        if isinstance(nested, type) and issubclass(nested, BaseModel):
            yield from _keys(nested, f"{below}.")
        else:
            yield below


def _selectors(text: str) -> Iterator[tuple[str, set[str]]]:
    """Every metric selected in PromQL, with the labels it matches."""
    for metric, matchers in re.findall(r"(?<!:)\b(ledger_\w+)(\{[^}]*\})?", text):
        yield metric, set(re.findall(r"(\w+)\s*[=!]", matchers))


GENERATED = pytest.mark.parametrize("page", [metrics_page.PAGE, configuration_page.PAGE], ids=lambda page: page.name)


@GENERATED
def test_generated_page_is_as_generated(page: Page) -> None:
    """The committed page is what the generator writes now."""
    assert page.main(["--check"]) == 0


@GENERATED
def test_check_of_a_generated_page_can_fail(page: Page, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A page that differs in one character, or is missing, fails the check; writing it makes the check pass."""
    file = tmp_path / page.name
    assert page.main(["--check", f"--output={file}"]) == 1

    file.write_text(page.generate() + " ")
    assert page.main(["--check", f"--output={file}"]) == 1
    assert "make docs-pages" in capsys.readouterr().err

    assert page.main([f"--output={file}"]) == 0
    assert page.main(["--check", f"--output={file}"]) == 0


def test_every_place_of_the_configuration_page_is_filled() -> None:
    """No table is forgotten, and none is empty."""
    assert "<!-- keys" not in configuration_page.generate()
    assert "PydanticUndefined" not in configuration_page.generate()
    assert "|---|---|\n\n" not in configuration_page.generate()


def test_metrics_page_has_every_metric_once() -> None:
    """Each metric has exactly one row, with its type."""
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \|", metrics_page.generate(), re.MULTILINE)
    metrics = [row for row in rows if row[0].startswith("ledger_")]

    assert sorted((metric.name, metric.kind) for metric in METRICS) == sorted(metrics)


@pytest.mark.parametrize("page", NAMED)
def test_every_metric_named_exists(page: Path) -> None:
    """No page names a metric that the program does not have."""
    named = set(re.findall(r"(?<!:)\bledger_[a-z0-9_]*[a-z0-9]\b(?!\*|_\*|_<|\.)", page.read_text()))

    assert set() == named - METRIC_LABELS.keys() - NO_METRICS


def test_readme_names_every_metric() -> None:
    """The README leaves out no metric but some of the exporter's health."""
    health = {metric.name for metric in metrics_page.VIEWS[-1].METRICS}
    thresholds = {threshold.metric for threshold in CATALOGUE}
    named = set(re.findall(r"`(ledger_\w+)`", (ROOT / "README.md").read_text()))

    assert set() == METRIC_LABELS.keys() - named - health - thresholds


@pytest.mark.parametrize("page", NAMED)
def test_promql_fixes_the_window_and_matches_existing_labels(page: Path) -> None:
    """Every PromQL example follows the habits it preaches."""
    for query in _blocks(page, "promql"):
        assert "max without (instance, pod)" in query
        for metric, matched in _selectors(query):
            assert matched <= METRIC_LABELS[metric], f"{metric} has no such label"
            assert "window" not in METRIC_LABELS[metric] - matched, f"{metric} needs a window"


@pytest.mark.parametrize("page", NAMED)
def test_every_relative_link_resolves(page: Path) -> None:
    """A link within the repository leads to a file that exists, and to a heading where it names one."""
    text = page.read_text()
    links = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r'(?:src|href)="([^"]+)"', text)
    for link in links:
        path, _, fragment = link.partition("#")
        if "://" in path:
            continue
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not fragment or fragment in _anchors(target), link


@pytest.mark.parametrize("page", NAMED)
def test_every_configuration_is_valid(page: Path, tmp_path: Path) -> None:
    """A block marked `yaml`, and nothing more, is a configuration, or the part of one that matters."""
    for block in _blocks(page, "yaml"):
        text = block.replace("/run/secrets", str(tmp_path))
        for secret in re.findall(rf"{tmp_path}/[\w-]+", text):
            Path(secret).write_text("secret\n")
        environment = dict.fromkeys(re.findall(r"_env: (\w+)", text), "postgresql:///platform")
        whole = {**yaml.safe_load(SMALLEST), **yaml.safe_load(text)}

        assert isinstance(config_file.parse(yaml.safe_dump(whole), str(page), environment), Config)


def test_reference_configuration_is_valid() -> None:
    """The commented reference holds every key, and every default is the program's."""
    reference = config_file.load(ROOT / "exporter" / "reference.yml")
    defaults = config_file.parse(SMALLEST)

    for section in ("providers", "waste", "efficiency", "costly", "limits", "refresh"):
        assert getattr(defaults, section) == getattr(reference, section)
    for threshold in CATALOGUE:
        assert getattr(reference.thresholds, threshold.scope)[threshold.name] == threshold.defaults


def test_every_threshold_is_documented() -> None:
    """The configuration page has a row for each threshold, with its levels and its meaning, and no other."""
    rows = re.findall(
        r"^\| (quest|provider|layer|platform) \| `(\w+)` \| (.*) \| (.*) \|$",
        (ROOT / "docs" / "configuration.md").read_text(),
        re.MULTILINE,
    )
    levels = [", ".join(f"{severity} `{level}`" for severity, level in it.defaults.items()) for it in CATALOGUE]

    assert [
        (it.scope, it.name, level, it.help.rstrip(".")) for it, level in zip(CATALOGUE, levels, strict=True)
    ] == rows


def test_every_configuration_key_is_documented() -> None:
    """The configuration page has a row for each key, and none for a key that does not exist."""
    rows = re.findall(r"^\| `([a-zA-Z_.\[\]]+)` \|", (ROOT / "docs" / "configuration.md").read_text(), re.MULTILINE)

    assert sorted(set(_keys())) == sorted(row for row in rows if "." in row)


def test_defaults_are_documented() -> None:
    """Each default in the configuration page is the program's."""
    text = (ROOT / "docs" / "configuration.md").read_text()
    written = dict(
        re.findall(r"^\| `((?:waste|efficiency|costly|limits|refresh)\.\w+)` \| `([^`]+)` \|", text, re.MULTILINE)
    )
    sections: dict[str, dict[str, str]] = {}
    for key, value in written.items():
        section, name = key.split(".")
        sections.setdefault(section, {})[name] = yaml.safe_load(value)
    documented = config_file.parse(yaml.safe_dump({**yaml.safe_load(SMALLEST), **sections}))

    assert config_file.parse(SMALLEST) == documented
    assert {key for key in _keys() if key.split(".")[0] in sections} == written.keys()


def test_every_option_of_serve_is_documented() -> None:
    """Option, environment variable and default stand in the configuration page, and nothing that does not exist."""
    rows = re.findall(
        r"^\| `(--[\w.-]+)` \| `(\w+)` \| `?([^|`]+)`? \|",
        (ROOT / "docs" / "configuration.md").read_text(),
        re.MULTILINE,
    )
    options = [option for option in SERVE.params if isinstance(option, click.Option)]

    def default(option: click.Option) -> str:
        values = option.default if isinstance(option.default, list) else [option.default]
        return " ".join({False: "off", None: "none"}.get(value, str(value)) for value in values)

    expected = [(option.opts[0], option.envvar, default(option)) for option in options]
    assert expected == [(option, variable, value.strip()) for option, variable, value in rows]


@pytest.mark.parametrize("page", NAMED)
def test_every_option_named_exists(page: Path) -> None:
    """No page names a command-line option that neither this program nor the other one meant has."""
    context = click.Context(cli)
    commands = [cli, *(cli.get_command(context, name) for name in cli.list_commands(context))]
    options = {
        name for command in commands if command for option in command.get_params(context) for name in option.opts
    }
    named = set(re.findall(r"(?<![\w`|-])`?(--[a-z][a-z.-]*[a-z])", page.read_text()))

    assert set() == named - options - set().union(*FOREIGN_OPTIONS.values())


EXAMPLES = (*sorted((ROOT / "deploy").rglob("*.yml")), *PAGES)
VERIFYING = re.compile(r"sslmode=verify-(?:full|ca)\b[^\s\"`]*(?: sslrootcert=\S+)?")
UNVERIFIED = ("sslmode=require", "sslmode=allow", "sslmode=disable")


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: str(file.relative_to(ROOT)))
def test_whoever_verifies_the_database_says_by_whose_word(file: Path) -> None:
    """By default libpq looks for the authority's certificate in a home folder, which no service and no container has."""
    text = re.sub(r"`[^`\n]*`", "", file.read_text())  # in running text it is the setting that is meant

    assert [found for found in VERIFYING.findall(text) if "sslrootcert=/" not in found] == []
    assert [mode for mode in UNVERIFIED if mode in text] == []


@pytest.mark.parametrize("page", NAMED)
def test_patterns_for_numbers_find_numbers(page: Path) -> None:
    """What the documentation offers against text that is no number lets nothing through that a cast refuses."""
    for pattern in re.findall(r"~ '(\^[^']+)'", page.read_text()):
        assert all(re.search(pattern, number) for number in ("0", "12", "-0.25", "3.75"))
        assert not any(re.search(pattern, text) for text in ("", ".", "-", "1.2.3", "1.", "n/a", "--1"))


def _indexes(text: str) -> set[tuple[str, str]]:
    """The relations and columns that indexes are created on; order is left out."""
    return set(re.findall(r"create index on (\w+) \((\w+)(?: desc)?\)", text))


@pytest.mark.parametrize("name", ["citus", "cockroachdb", "timescaledb", "yugabytedb"])
def test_examples_create_every_index_that_is_due(name: str) -> None:
    """Those of the page on scaling; TimescaleDB has two of them by itself."""
    made_by_itself = (
        {("cost_ledger", "created_at"), ("impact_ledger", "created_at")} if name == "timescaledb" else set()
    )
    always = _indexes((ROOT / "docs" / "scaling.md").read_text().split("\n## Indexes\n")[1].split("\n## ")[0])

    assert len(always) == 4
    assert always - made_by_itself <= _indexes((ROOT / "deploy" / "examples" / f"{name}.yml").read_text())


def test_role_grants_what_the_exporter_reads() -> None:
    """The role's file grants on the three default relations, and nothing but connecting, using and selecting."""
    text = re.sub(r"--.*", "", (ROOT / "docs" / "role.sql").read_text())
    grants = re.findall(r"grant ([\w ]+?) on (?:table )?([^;]+) to ledger_exporter;", text)
    relations = {Ledgers.model_fields[ledger].annotation.model_fields["relation"].default for ledger in LEDGERS}

    assert {"connect", "usage", "select"} == {privilege for privilege, _ in grants}
    assert {f"public.{relation}" for relation in relations} == {on for privilege, on in grants if privilege == "select"}
