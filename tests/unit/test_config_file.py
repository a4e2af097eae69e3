"""One YAML file to one configuration; all that is wrong with it is said at once, and no secret is."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from exporter.config import REFERENCE, Config
from exporter.config_file import load, parse
from exporter.errors import ConfigError

SMALL = """\
sources:
  main: {dsn: "host=h password=s3cret"}
ledgers:
  cost: {source: main}
  impact: {source: main}
  budget: {source: main}
"""

SOURCE_KEYS = (
    "exporter.yml:2: sources.main.passwort: is not a known key; "
    "allowed here: dsn, dsn_env, dsn_file, password_env, password_file"
)
NEEDED_COLUMN = (
    "exporter.yml:4: ledgers.cost.columns: cost_usd may not be null; "
    "only model, task_id, quest_id, tokens_out may be missing"
)


def problems(text: str, environment: dict[str, str] | None = None) -> list[str]:
    """All that is wrong with a configuration file."""
    with pytest.raises(ConfigError) as caught:
        parse(text, "exporter.yml", environment or {})
    return caught.value.problems


class TestDefaults:
    def test_sources_and_ledgers_are_enough(self) -> None:
        assert parse(SMALL).ledgers.cost.relation == "cost_ledger"

    def test_the_reference_is_the_defaults(self) -> None:
        """What ships as the reference configuration says, value for value, what holds without it."""
        reference = load(REFERENCE)
        bare = Config.model_validate({
            "sources": {"main": {"dsn": reference.sources["main"].conninfo({}).get_secret_value()}},
            "ledgers": {ledger: {"source": "main"} for ledger in ("cost", "impact", "budget")},
        })  # fmt: skip

        assert reference.model_dump(exclude={"ledgers"}) == bare.model_dump(exclude={"ledgers"})
        for ledger in ("cost", "impact", "budget"):
            assert reference.ledgers[ledger].relation == bare.ledgers[ledger].relation
            assert reference.ledgers[ledger].expressions == bare.ledgers[ledger].expressions

    def test_the_reference_is_complete(self) -> None:
        written = yaml.safe_load(REFERENCE.read_text())

        assert list(written) == list(Config.model_fields)
        for section in ("waste", "efficiency", "costly", "limits", "refresh"):
            assert list(written[section]) == list(type(getattr(load(REFERENCE), section)).model_fields)
        for ledger, columns in ((name, section["columns"]) for name, section in written["ledgers"].items()):
            assert set(columns) == set(load(REFERENCE).ledgers[ledger].expressions)

    def test_providers_are_asked_in_the_order_given(self) -> None:
        config = parse(SMALL + "providers: [{pattern: b, family: B}, {pattern: a, family: A}]")

        assert [entry.family for entry in config.providers] == ["B", "A"]


class TestProblems:
    def test_all_are_told_at_once_in_the_order_of_lines(self) -> None:
        text = """\
sources:
  main: {dsn: "host=h", passwort: x}
ledgers:
  cost: {source: elsewhere, columns: {cost_usd: null}}
  impact: {source: main}
waste: {top: 0}
refresh:
  interval: soon
"""
        assert problems(text) == [
            SOURCE_KEYS,
            "exporter.yml:3: ledgers.budget: is required",
            NEEDED_COLUMN,
            "exporter.yml:4: ledgers.cost.source: names the source 'elsewhere'; there is main",
            "exporter.yml:6: waste.top: must be greater than or equal to 1; found 0",
            "exporter.yml:8: refresh.interval: must be a duration such as 15s, 10m or 1h30m (units ms, s, m, h, d)",
        ]

    @pytest.mark.parametrize(
        ("addition", "expected"),
        [
            ("wates: {}", "exporter.yml:7: wates: is not a known key; allowed here: sources, ledgers, providers, waste"),
            ("limits:\n  quest: 5", "exporter.yml:8: limits.quest: is not a known key; allowed here: quests, models"),
            ("providers:\n- pattern: a\n  famly: b", "exporter.yml:9: providers[0].famly: is not a known key; allowed here: p"),
            ("providers:\n- pattern: (\n  family: b", "exporter.yml:8: providers[0].pattern: is not a regular expression"),
            ("limits: {quests: many}", "exporter.yml:7: limits.quests: must be a valid integer; found 'many'"),
            ("limits: {quests: true}", "exporter.yml:7: limits.quests: must be a valid integer"),
            ("refresh: {interval: 1h, max_age: 1m}", "exporter.yml:7: refresh: max_age must not be shorter than interval"),
            ("waste: 5", "exporter.yml:7: waste: must be"),
            ("providers: [{pattern: 5, family: b}]", "exporter.yml:7: providers[0].pattern: must be a valid string; found 5"),
        ],
    )  # fmt: skip
    def test_each_has_its_place_and_says_what_is_allowed(self, addition: str, expected: str) -> None:
        found = problems(SMALL + addition)

        assert any(problem.startswith(expected) for problem in found), found

    @pytest.mark.parametrize(
        ("given", "expected"),
        [
            ("columns: {tokens_out: 0}", "ledgers.cost.columns.tokens_out: must be a valid string; found 0"),
            ("columns: {tokens_out: {a: b}}", "ledgers.cost.columns.tokens_out: must be a valid string"),
            ("relation: 5", "ledgers.cost.relation: must be a valid string; found 5"),
        ],
    )
    def test_what_is_no_text_where_sql_is_wanted_is_refused(self, given: str, expected: str) -> None:
        text = SMALL.replace("cost: {source: main}", f"cost: {{source: main, {given}}}")

        assert problems(text) == [f"exporter.yml:4: {expected}"]

    def test_keys_given_twice_are_not_silently_merged(self) -> None:
        assert "exporter.yml:7: sources: is given twice" in problems(SMALL + "sources: {other: {dsn: host=h}}")

    def test_a_source_without_a_use_is_a_mistake(self) -> None:
        text = SMALL.replace("ledgers:", "  spare: {dsn: host=h}\nledgers:")

        assert problems(text) == ["exporter.yml:3: sources.spare: is used by no ledger"]

    def test_an_unknown_ledger_is_refused(self) -> None:
        assert problems(SMALL + "  coast: {source: main}") == [
            "exporter.yml:7: ledgers.coast: is not a known key; allowed here: cost, impact, budget"
        ]

    @pytest.mark.parametrize("text", ["", "null", "# nothing"])
    def test_an_empty_file_is_told_what_is_required(self, text: str) -> None:
        assert problems(text) == ["exporter.yml:1: ledgers: is required", "exporter.yml:1: sources: is required"]

    @pytest.mark.parametrize("text", ["5", "- a", "text"])
    def test_a_file_that_is_no_mapping_is_refused(self, text: str) -> None:
        assert problems(text) == [f"exporter.yml:1: must be a mapping with the keys {', '.join(Config.model_fields)}"]

    def test_bad_yaml_is_refused_with_its_line(self) -> None:
        assert problems(SMALL + "waste: {top: 5")[0].startswith("exporter.yml:7: is not valid YAML: ")

    def test_characters_yaml_does_not_allow_are_refused(self) -> None:
        assert "is not valid YAML" in problems("sources: \x00")[0]

    def test_what_is_wrong_between_two_characters_is_told(self) -> None:
        assert problems("sources: {a: [b}") == ["exporter.yml:1: is not valid YAML: expected ',' or ']', but got '}'"]
        assert problems("sources:\n\t- a") == [
            "exporter.yml:2: is not valid YAML: found character '\\t' that cannot start any token"
        ]

    @pytest.mark.parametrize(
        "value",
        [
            "2026-13-01",
            "!!bool perhaps",
            "!!timestamp soon",
            "!!int ''",
            "!!int many",
            "!!float ''",
            "1:" * 200 + "1.0",
        ],
    )
    def test_a_value_that_is_not_what_it_looks_like_is_refused(self, value: str) -> None:
        (problem,) = problems(f"{SMALL}limits: {{quests: {value}}}")

        assert problem.startswith("exporter.yml:1: has a value that cannot be read: ")

    def test_a_number_that_nobody_can_write_down_is_not_repeated(self) -> None:
        (problem,) = problems(f"{SMALL}limits: {{quests: -0x{'f' * 5000}}}")

        assert problem.startswith("exporter.yml:7: limits.quests: must be ")
        assert problem.endswith("; found a number of thousands of digits")

    def test_yaml_makes_no_python_objects(self) -> None:
        assert "is not valid YAML" in problems(SMALL + "waste: !!python/object/apply:os.getcwd []")[0]

    def test_a_file_that_is_not_there_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError) as caught:
            load(tmp_path / "absent.yml")

        assert caught.value.problems == [f"{tmp_path}/absent.yml: cannot be read: No such file or directory"]

    def test_a_file_that_is_not_text_is_refused(self, tmp_path: Path) -> None:
        file = tmp_path / "exporter.yml"
        file.write_bytes(b"sources: \xff")

        with pytest.raises(ConfigError) as caught:
            load(file)

        assert caught.value.problems == [f"{file}: is not UTF-8 text (byte 9)"]


class TestSecrets:
    def test_they_come_from_the_environment(self) -> None:
        text = SMALL.replace('dsn: "host=h password=s3cret"', "dsn_env: DSN, password_env: PW")
        source = parse(text, environment={"DSN": "host=h", "PW": "s3cret"}).sources["main"]

        assert source.conninfo({"DSN": "host=h"}).get_secret_value() == "host=h"

    def test_those_that_cannot_be_had_are_all_told(self, tmp_path: Path) -> None:
        text = SMALL.replace('dsn: "host=h password=s3cret"', f"dsn_env: DSN, password_file: {tmp_path}/absent")

        assert problems(text) == [
            "exporter.yml:2: sources.main: dsn_env names the environment variable DSN, which is not set",
            f"exporter.yml:2: sources.main: password_file {tmp_path}/absent cannot be read: No such file or directory",
        ]

    @pytest.mark.parametrize(
        "source",
        [
            "dsn: 's3cret'",
            "dsn: 'host=h password=s3cret oops'",
            "dsn: 'postgresql://me:s3cret@[h/d'",
            "dsn: ['s3cret']",
            "dsn: {password: s3cret}",
            "dsn:postgresql://me:s3cret@h/d",
            "host=h password=s3cret",
            "password:s3cret",
            "dsn: 'host=h', dsn_env: A, password: s3cret",
            "dsn_env: BAD",
            "dsn_file: FILE",
            "dsn_env: 'postgresql://me:s3cret@h/d'",
            "dsn_file: 'postgresql://me:s3cret@h/d'",
            "dsn: 'host=h', password_env: s3cret",
            "dsn: 'host=h', password_file: s3cret",
            "dsn: 'host=h', password_file: '/run/postgresql://me:s3cret@h/d'",
            "'host=h password=s3cret'",
            "dsn: 'host=h password=s3cret', top: 5",
        ],
    )
    def test_no_message_repeats_one(self, source: str, tmp_path: Path) -> None:
        secret = tmp_path / "secret"
        secret.write_text("s3cret")
        whole = source if source.startswith("'") else f"{{{source.replace('FILE', str(secret))}}}"
        text = SMALL.replace('{dsn: "host=h password=s3cret"}', whole)

        found = problems(text, {"BAD": "s3cret"})

        assert found
        assert "s3cret" not in "\n".join(found)

    def test_a_broken_file_does_not_quote_its_lines(self) -> None:
        assert "s3cret" not in "\n".join(problems(SMALL.replace('s3cret"', 's3cret" }')))

    def test_the_loaded_configuration_shows_none(self) -> None:
        assert "s3cret" not in repr(parse(SMALL))


@pytest.mark.parametrize(
    "text",
    [
        "dsn:postgresql://me:s3cret@h/d",
        "host=h password=s3cret:",
        SMALL.replace("cost: {source: main}", "cost: {source: 'postgresql://me:s3cret@h/d'}"),
        SMALL.replace("main:", "'host=h password=s3cret':"),
        SMALL.replace("cost: {", "cost: {columns: {'postgresql://me:s3cret@h/d': x}, "),
        SMALL + "providers: [{pattern: '(?P<password=s3cret>)', family: a}]",
        SMALL + "limits: {quests: 'host=h password=s3cret'}",
        SMALL + "thresholds: *s3cret",
        SMALL + "thresholds: !s3cret 5",
        SMALL + "thresholds: !!int s3cret",
        SMALL + 'thresholds: !!int "it\'s s3cret"',
        SMALL + "thresholds: !x'postgresql://me:s3cret@h/d 5",
        SMALL + "thresholds: !!bool s3cret",
    ],
)
def test_no_secret_is_told_wherever_it_stands(text: str) -> None:
    """A space too few makes a connection string a key; copied to the wrong line it is anything else."""
    assert "s3cret" not in "\n".join(problems(text))
