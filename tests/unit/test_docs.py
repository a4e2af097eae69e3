"""The documentation and the program say the same: metrics, labels, options, configuration keys, links, examples."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import click
import pytest
import yaml
from pydantic import BaseModel

from exporter import config_file
from exporter.cli import cli
from exporter.config import LEDGERS, Config, Ledger, Ledgers, ProviderPattern, SourceConfig
from exporter.thresholds import CATALOGUE, Threshold
from exporter.views import METRICS
from scripts import configuration_page, metrics_page
from scripts.page import Page
from tests.support.complaints import each
from tests.support.documented import PAGES
from tests.support.passages import ROOT, Passage, whole

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


def _found(pattern: str | re.Pattern[str]) -> list[Passage]:
    """Every match of a pattern in the documentation."""
    return [found for page in PAGES for found in whole(page).find(pattern)]


def _blocks(language: str) -> list[Passage]:
    """The fenced blocks of the documentation whose info string is exactly `language`."""
    return _found(re.compile(rf"^```{language}\n(.*?)^```$", re.MULTILINE | re.DOTALL))


def _anchor(heading: str) -> str:
    """The fragment GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


@cache
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


GENERATED = (metrics_page.PAGE, configuration_page.PAGE)


@each(GENERATED, place=lambda page: page.file.relative_to(ROOT))
def test_generated_page_is_as_generated(page: Page) -> None:
    """The committed page is what the generator writes now."""
    assert page.main(["--check"]) == 0


@pytest.mark.parametrize("page", GENERATED, ids=lambda page: page.name)
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


@each(_found(r"(?<!:)\bledger_[a-z0-9_]*[a-z0-9]\b(?!\*|_\*|_<|\.\w)"))
def test_every_metric_named_exists(named: Passage) -> None:
    """No page names a metric that the program does not have."""
    assert named.text in METRIC_LABELS or named.text in NO_METRICS, "there is no such metric"


def test_readme_names_every_metric() -> None:
    """The README leaves out no metric but some of the exporter's health."""
    health = {metric.name for metric in metrics_page.VIEWS[-1].METRICS}
    thresholds = {threshold.metric for threshold in CATALOGUE}
    named = set(re.findall(r"`(ledger_\w+)`", (ROOT / "README.md").read_text()))

    assert set() == METRIC_LABELS.keys() - named - health - thresholds


@each(_blocks("promql"))
def test_promql_takes_one_of_several_exporters(query: Passage) -> None:
    """Every PromQL example follows the habit it preaches, else a pair of exporters counts twice."""
    assert "max without (instance, pod)" in query.text


@each([found for query in _blocks("promql") for found in query.find(r"(?<!:)\bledger_\w+(?:\{[^}]*\})?")])
def test_promql_fixes_the_window_and_matches_existing_labels(selector: Passage) -> None:
    """So does every selector of the examples."""
    labels = METRIC_LABELS[selector.text.partition("{")[0]]
    matched = set(re.findall(r"(\w+)\s*[=!]", selector.text))

    assert matched - labels == set(), "the metric has no such label"
    assert "window" not in labels - matched, "the metric needs a window"


@each(
    found
    for pattern in (r"\]\(([^)\s]+)\)", r'(?:src|href)="([^"]+)"')
    for found in _found(pattern)
    if "://" not in found.text.partition("#")[0]
)
def test_every_relative_link_resolves(link: Passage) -> None:
    """A link within the repository leads to a file that exists, and to a heading where it names one."""
    path, _, fragment = link.text.partition("#")
    target = (link.file.parent / path).resolve() if path else link.file

    assert target.exists(), "there is no such file"
    assert not fragment or fragment in _anchors(target), "there is no such heading"


@each(_blocks("yaml"))
def test_every_configuration_is_valid(block: Passage, tmp_path: Path) -> None:
    """A block marked `yaml`, and nothing more, is a configuration, or the part of one that matters."""
    text = block.text.replace("/run/secrets", str(tmp_path))
    for secret in re.findall(rf"{tmp_path}/[\w-]+", text):
        Path(secret).write_text("secret\n")
    environment = dict.fromkeys(re.findall(r"_env: (\w+)", text), "postgresql:///platform")
    completed = {**yaml.safe_load(SMALLEST), **yaml.safe_load(text)}

    assert isinstance(config_file.parse(yaml.safe_dump(completed), block.page, environment), Config)


@cache
def _reference() -> Config:
    """The commented reference."""
    return config_file.load(ROOT / "exporter" / "reference.yml")


@each(
    ["providers", "waste", "efficiency", "costly", "limits", "refresh"],
    place=lambda section: f"exporter/reference.yml, {section}",
)
def test_reference_configuration_is_valid(section: str) -> None:
    """The commented reference holds every key, and every default is the program's."""
    assert getattr(config_file.parse(SMALLEST), section) == getattr(_reference(), section)


@each(CATALOGUE, place=lambda it: f"exporter/reference.yml, thresholds.{it.scope}.{it.name}")
def test_reference_configuration_has_the_default_thresholds(threshold: Threshold) -> None:
    """Each with all its levels."""
    assert getattr(_reference().thresholds, threshold.scope)[threshold.name] == threshold.defaults


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


def _options() -> set[str]:
    """Every option of the program's commands."""
    context = click.Context(cli)
    commands = [cli, *(cli.get_command(context, name) for name in cli.list_commands(context))]
    return {name for command in commands if command for option in command.get_params(context) for name in option.opts}


OPTIONS = _options().union(*FOREIGN_OPTIONS.values())


@each(_found(r"(?<![\w`|-])`?(--[a-z][a-z.-]*[a-z])"))
def test_every_option_named_exists(named: Passage) -> None:
    """No page names a command-line option that neither this program nor the other one meant has."""
    assert named.text in OPTIONS, "there is no such option"


EXAMPLES = [
    whole(file).without(r"`[^`\n]*`")  # in running text it is the setting that is meant
    for file in (*sorted((ROOT / "deploy").rglob("*.yml")), *PAGES)
]
VERIFYING = r"sslmode=verify-(?:full|ca)\b[^\s\"`]*(?: sslrootcert=\S+)?"
UNVERIFIED = ("sslmode=require", "sslmode=allow", "sslmode=disable")


@each(found for file in EXAMPLES for found in file.find(VERIFYING))
def test_whoever_verifies_the_database_says_by_whose_word(verifying: Passage) -> None:
    """By default libpq looks for the authority's certificate in a home folder, which no service and no container has."""
    assert "sslrootcert=/" in verifying.text


@each(found for file in EXAMPLES for found in file.find(r"sslmode=[\w-]*"))
def test_every_example_verifies_the_database(mode: Passage) -> None:
    """Encryption without verification does not stop a man in the middle."""
    assert not mode.text.startswith(UNVERIFIED)


@each(_found(r"~ '(\^[^']+)'"))
def test_patterns_for_numbers_find_numbers(pattern: Passage) -> None:
    """What the documentation offers against text that is no number lets nothing through that a cast refuses."""
    assert [number for number in ("0", "12", "-0.25", "3.75") if not re.search(pattern.text, number)] == []
    assert [text for text in ("", ".", "-", "1.2.3", "1.", "n/a", "--1") if re.search(pattern.text, text)] == []


def _indexes(text: str) -> set[tuple[str, str]]:
    """The relations and columns that indexes are created on; order is left out."""
    return set(re.findall(r"create index on (\w+) \((\w+)(?: desc)?\)", text))


@each(["citus", "cockroachdb", "timescaledb", "yugabytedb"], place=lambda name: f"deploy/examples/{name}.yml")
def test_examples_create_every_index_that_is_due(name: str) -> None:
    """Those of the page on scaling; TimescaleDB has two of them by itself."""
    made_by_itself = (
        {("cost_ledger", "created_at"), ("impact_ledger", "created_at")} if name == "timescaledb" else set()
    )
    always = _indexes((ROOT / "docs" / "scaling.md").read_text().split("\n## Indexes\n")[1].split("\n## ")[0])

    assert len(always) == 4
    assert always - made_by_itself - _indexes((ROOT / "deploy" / "examples" / f"{name}.yml").read_text()) == set()


def test_role_grants_what_the_exporter_reads() -> None:
    """The role's file grants on the three default relations, and nothing but connecting, using and selecting."""
    text = re.sub(r"--.*", "", (ROOT / "docs" / "role.sql").read_text())
    grants = re.findall(r"grant ([\w ]+?) on (?:table )?([^;]+) to ledger_exporter;", text)
    relations = {Ledgers.model_fields[ledger].annotation.model_fields["relation"].default for ledger in LEDGERS}

    assert {"connect", "usage", "select"} == {privilege for privilege, _ in grants}
    assert {f"public.{relation}" for relation in relations} == {on for privilege, on in grants if privilege == "select"}
