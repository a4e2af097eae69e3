"""What can be configured: one frozen `Config`, each value checked where it is declared."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self
from urllib.parse import quote, urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationInfo,
    field_validator,
    model_validator,
)

from exporter.thresholds import SCOPES, Thresholds, of_scope
from exporter.yaml_file import shown

LedgerName = Literal["cost", "impact", "budget"]
LEDGERS: tuple[LedgerName, ...] = ("cost", "impact", "budget")

_SERIES_A_COMBINATION = 8

REFERENCE = Path(__file__).with_name("reference.yml")
"""The commented reference configuration that ships with the package."""

_UNIT_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_IDENTIFIER = r'(?:[^\W\d][\w$]*|"(?:[^"]|"")+")'
_RELATION = re.compile(rf"{_IDENTIFIER}(?:\.{_IDENTIFIER}){{0,2}}")
_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]*")
_NAME = r"^[A-Za-z_][A-Za-z0-9_-]{0,62}$"
# Every text has at most one way to match, so that none takes long.
_OPTION = r"\w+\s*=\s*(?:'(?:[^'\\]|\\.)*'|(?:[^\s'\\]|\\.)+)"
_CONNINFO = re.compile(rf"\s*{_OPTION}(?:\s+{_OPTION})*\s*")


def parse_duration(value: object) -> timedelta:
    """Read a duration as Prometheus writes them: `15s`, `1h30m`, `500ms`, `1d`.

    Raises:
        ValueError: the text is not such a duration, or not above 0.
    """
    text = str(value).strip()
    parts = _DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError("must be a duration such as 15s, 10m or 1h30m (units ms, s, m, h, d)")
    seconds = sum(float(number) * _UNIT_SECONDS[unit] for number, unit in parts)
    if not 0 < seconds <= 366 * 86_400:
        raise ValueError("must be longer than 0 and at most 366d")
    return timedelta(seconds=seconds)


def _parse_decimal(value: object) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        raise ValueError("must be a number")  # noqa: TRY004 - pydantic collects ValueError
    try:
        number = Decimal(str(value))
    except ArithmeticError:
        raise ValueError("must be a number") from None
    if not number.is_finite():
        raise ValueError("must be a finite number")
    return number


def _check_relation(value: str) -> str:
    if not _RELATION.fullmatch(value):
        raise ValueError('must be a table or view, such as cost_ledger, billing.cost_ledger or "Cost Ledger"')
    return value


def _check_expression(value: str) -> str:
    if not value.strip() or ";" in value or "--" in value:
        raise ValueError("must be an SQL expression over the relation's columns, without ; or a comment")
    return value.strip()


def _check_conninfo(value: str) -> str:
    if value.startswith(("postgresql://", "postgres://")):
        try:
            urlsplit(value)
        except ValueError:
            raise ValueError("is not a libpq connection string: the URL cannot be read") from None
        authority, _, path = value.partition("://")[2].partition("/")
        credentials = authority.partition("@")[0] if "@" in authority else ""
        misplaced = {
            "an @": authority.count("@") > 1,
            "a /": "@" in path.partition("?")[0],
            "a ?": "?" in credentials,
        }
        for character, is_there in misplaced.items():
            if is_there:
                # libpq would take part of a password for the host, port or database, and its messages would tell that part.
                raise ValueError(
                    f"has {character} in its user or password: write it as {quote(character[-1], safe='')}"
                )
        return value
    if not _CONNINFO.fullmatch(value):
        raise ValueError(
            'must be a libpq connection string: "postgresql://user@host:5432/database" or "host=... dbname=... user=..."'
        )
    return value


def _check_secret_conninfo(value: SecretStr) -> SecretStr:
    _check_conninfo(value.get_secret_value())
    return value


def _check_pattern(value: str) -> str:
    try:
        re.compile(value, re.IGNORECASE)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"is not a regular expression: {shown(error)}") from None
    return value


def _parse_level(value: object) -> Decimal | None:
    level = None if value is None else _parse_decimal(value)
    if level is not None and level < 0:
        raise ValueError("must be 0 or more, or null for none")
    return level


Duration = Annotated[timedelta, BeforeValidator(parse_duration)]
Number = Annotated[Decimal, BeforeValidator(_parse_decimal)]
Level = Annotated[Decimal | None, BeforeValidator(_parse_level)]
ThresholdLevels = dict[str, dict[str, Level]]
Relation = Annotated[str, AfterValidator(_check_relation)]
Expression = Annotated[str, AfterValidator(_check_expression)]


class Section(BaseModel):
    """What every part of the configuration has in common: no unknown keys, no silent conversions, no later change."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, arbitrary_types_allowed=False)


class SourceConfig(Section):
    """A database. Exactly one of `dsn`, `dsn_env`, `dsn_file`; a password may come from the environment or a file."""

    dsn: Annotated[SecretStr, AfterValidator(_check_secret_conninfo)] | None = Field(
        default=None, description="a libpq connection string, as a URL or as `host=... dbname=... user=...`"
    )
    dsn_env: str | None = Field(default=None, description="the environment variable that holds it")
    dsn_file: Path | None = Field(default=None, strict=False, description="the file that holds it")
    password_env: str | None = Field(default=None, description="the environment variable that holds the password")
    password_file: Path | None = Field(default=None, strict=False, description="the file that holds the password")

    @model_validator(mode="after")
    def _one_of_each(self) -> Self:
        given = [name for name in ("dsn", "dsn_env", "dsn_file") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"needs exactly one of dsn, dsn_env and dsn_file; found {', '.join(given) or 'none'}")
        if self.password_env is not None and self.password_file is not None:
            raise ValueError("takes password_env or password_file, not both")
        return self

    def conninfo(self, environment: Mapping[str, str]) -> SecretStr:
        """Return the connection string.

        Raises:
            ValueError: the variable is not set, the file cannot be read, or what they hold is no connection string.
        """
        if self.dsn is not None:
            return self.dsn
        return SecretStr(_check_conninfo(_secret("dsn", self.dsn_env, self.dsn_file, environment)))

    def password(self, environment: Mapping[str, str]) -> SecretStr | None:
        """Return the password that does not stand in the connection string, if one is configured.

        Raises:
            ValueError: the variable is not set or the file cannot be read.
        """
        if self.password_env is None and self.password_file is None:
            return None
        return SecretStr(_secret("password", self.password_env, self.password_file, environment))


def _secret(key: str, variable: str | None, file: Path | None, environment: Mapping[str, str]) -> str:
    # Instead of its name the secret itself may have been written: only what looks like nothing else is repeated.
    if variable is not None:
        if variable not in environment:
            is_name = _VARIABLE.fullmatch(variable)
            named = f"the environment variable {variable}, which" if is_name else "an environment variable that"
            raise ValueError(f"{key}_env names {named} is not set")
        return environment[variable]
    if file is None:
        raise ValueError(f"{key} is not configured")
    try:
        return file.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        named = f" {shown(file)}" if file.is_absolute() else ""
        raise ValueError(f"{key}_file{named} cannot be read: {reason}") from None


class Ledger(Section):
    """Where a ledger stands: its source or sources, its relation, and an SQL expression for each reference column."""

    REQUIRED: ClassVar[tuple[str, ...]] = ()
    OPTIONAL: ClassVar[tuple[str, ...]] = ()

    source: str | None = Field(default=None, description="the source it stands in")
    sources: Annotated[tuple[str, ...], Field(strict=False, min_length=1)] | None = Field(
        default=None, description="instead of `source`: a list of sources it is spread over; their rows add up"
    )
    relation: Relation = Field(
        description="a table or view, with its schema where needed;"
        " default `cost_ledger`, `impact_ledger`, `quest_budget_allocations`"
    )
    columns: dict[str, Expression | None] = Field(
        default_factory=dict,
        description="an SQL expression for each reference column whose name differs; `null` for one that is missing",
    )

    @field_validator("columns")
    @classmethod
    def _check_columns(cls, columns: dict[str, str | None]) -> dict[str, str | None]:
        known = (*cls.REQUIRED, *cls.OPTIONAL)
        unknown = [column for column in columns if column not in known]
        missing = [column for column in cls.REQUIRED if columns.get(column, column) is None]
        problems = []
        if unknown:
            names = ", ".join(map(shown, unknown))
            problems.append(f"{names} is not a column of this ledger; allowed: {', '.join(known)}")
        if missing:
            problems.append(f"{', '.join(missing)} may not be null; only {', '.join(cls.OPTIONAL)} may be missing")
        if problems:
            raise ValueError("; ".join(problems))
        return columns

    @model_validator(mode="after")
    def _check_sources(self) -> Self:
        if (self.source is None) == (self.sources is None):
            raise ValueError("needs exactly one of source and sources")
        if len(set(self.source_names)) != len(self.source_names):
            raise ValueError("names a source twice in sources: its rows would count twice")
        return self

    @property
    def source_names(self) -> tuple[str, ...]:
        """Return the sources this ledger is spread over, in order."""
        return self.sources if self.sources is not None else (self.source or "",)

    def expression(self, column: str) -> str:
        """Return the SQL expression of a reference column, `NULL` where the ledger lacks it."""
        return self.columns.get(column, column) or "NULL"

    def has(self, column: str) -> bool:
        """Tell whether the ledger has a column."""
        return self.columns.get(column, column) is not None

    @property
    def expressions(self) -> dict[str, str]:
        """Return the expression of every reference column."""
        return {column: self.expression(column) for column in (*self.REQUIRED, *self.OPTIONAL)}


class CostLedger(Ledger):
    """`cost_ledger`: one row a charge."""

    REQUIRED: ClassVar = ("id", "created_at", "provider", "tokens_in", "cost_usd")
    OPTIONAL: ClassVar = ("model", "task_id", "quest_id", "tokens_out")
    relation: Relation = "cost_ledger"


class ImpactLedger(Ledger):
    """`impact_ledger`: one row a task's outcome."""

    REQUIRED: ClassVar = ("id", "created_at", "task_id", "total_tokens", "cost_usd", "impact_score")
    OPTIONAL: ClassVar = ("updated_at", "title", "quest_id", "layer")
    relation: Relation = "impact_ledger"


class BudgetLedger(Ledger):
    """`quest_budget_allocations`: one row a quest and day."""

    REQUIRED: ClassVar = ("quest_id", "day", "allocated_usd")
    OPTIONAL: ClassVar = ("quest_name", "spent_usd")
    relation: Relation = "quest_budget_allocations"


class Ledgers(Section):
    """The three ledgers."""

    cost: CostLedger
    impact: ImpactLedger
    budget: BudgetLedger

    def __getitem__(self, ledger: LedgerName) -> CostLedger | ImpactLedger | BudgetLedger:
        ledgers: dict[str, CostLedger | ImpactLedger | BudgetLedger]
        ledgers = {"cost": self.cost, "impact": self.impact, "budget": self.budget}
        return ledgers[ledger]


class ProviderPattern(Section):
    """Providers that match `pattern` (a case-insensitive regular expression, searched) belong to `family`."""

    pattern: Annotated[str, AfterValidator(_check_pattern)] = Field(
        min_length=1, description="a Python regular expression"
    )
    family: str = Field(min_length=1, max_length=120, description="the family's name")


DEFAULT_PROVIDERS = (
    ProviderPattern(pattern="minimax|^max$", family="MiniMax"),
    ProviderPattern(pattern="codex", family="Codex"),
    ProviderPattern(pattern="bedrock", family="Bedrock"),
    ProviderPattern(pattern="glm|zhipu", family="GLM"),
)


class WasteConfig(Section):
    """Waste: an outcome with more than `min_tokens` tokens and an impact of at most `max_impact`, or none."""

    min_tokens: int = Field(default=1000, ge=0, description="an outcome is waste only above this number of tokens")
    max_impact: Number = Field(default=Decimal("0.5"), description="and only up to this impact score, or without one")
    top: int = Field(default=50, ge=1, le=1000, description="wasted tasks published, 1 to 1000")


class EfficiencyConfig(Section):
    """An outcome is pending while its impact is NULL and it is younger than `grace`."""

    grace: Duration = Field(
        default=timedelta(hours=24), description="an unscored outcome is pending while it is younger"
    )
    top: int = Field(default=50, ge=1, le=1000, description="best tasks published, 1 to 1000")


class CostlyConfig(Section):
    """How many of the costliest tasks of today and yesterday are published."""

    top: int = Field(default=50, ge=1, le=1000, description="costly tasks published, 1 to 1000")


class Limits(Section):
    """How many values of an open label, combinations of labels and series are published; the rest is `other`."""

    quests: int = Field(default=500, ge=1, description="quests")
    models: int = Field(default=200, ge=1, description="models")
    providers: int = Field(default=50, ge=1, description="provider families")
    layers: int = Field(default=50, ge=1, description="layers")
    combinations: int = Field(default=2000, ge=1, description="combinations of labels on one metric")
    series: int = Field(default=50_000, ge=1000, description="series in the whole exposition, at least 1000")

    @model_validator(mode="after")
    def _leave_room(self) -> Self:
        # Each label set of the counters has four series and keeps them for the life of the process.
        if self.series < _SERIES_A_COMBINATION * self.combinations:
            raise ValueError(f"series must be at least {_SERIES_A_COMBINATION} times combinations")
        return self


class ThresholdOverrides(Section):
    """Thresholds of single quests (by name or id), providers and layers, where they differ from the defaults."""

    quests: dict[str, ThresholdLevels] = Field(
        default_factory=dict,
        description="thresholds of single quests, by name or id; where both are given the id's win",
    )
    providers: dict[str, ThresholdLevels] = Field(default_factory=dict, description="of single providers")
    layers: dict[str, ThresholdLevels] = Field(default_factory=dict, description="of single layers")


class ThresholdsConfig(Section):
    """What alerts compare with: levels by severity, a null level is none. `exporter.thresholds` knows which there are."""

    quest: ThresholdLevels = Field(
        default_factory=dict,
        validate_default=True,
        description="thresholds of every quest, where they differ from the defaults below",
    )
    provider: ThresholdLevels = Field(default_factory=dict, validate_default=True, description="of every provider")
    layer: ThresholdLevels = Field(default_factory=dict, validate_default=True, description="of every layer")
    platform: ThresholdLevels = Field(
        default_factory=dict, validate_default=True, description="of the platform as a whole and of its ledgers"
    )
    overrides: ThresholdOverrides = ThresholdOverrides()

    @field_validator(*SCOPES)
    @classmethod
    def _complete(cls, given: ThresholdLevels, info: ValidationInfo) -> ThresholdLevels:
        defaults = {name: threshold.defaults for name, threshold in of_scope(info.field_name).items()}
        return {name: {**defaults.get(name, {}), **given.get(name, {})} for name in {**defaults, **given}}

    def resolved(self) -> Thresholds:
        """Return defaults and overrides as one."""
        return Thresholds(
            {"quest": self.quest, "provider": self.provider, "layer": self.layer, "platform": self.platform},
            {"quest": self.overrides.quests, "provider": self.overrides.providers, "layer": self.overrides.layers},
        )


class RefreshConfig(Section):
    """How often the ledgers are read, how long one reading may take, how long values are held when it fails."""

    interval: Duration = Field(
        default=timedelta(seconds=15),
        description="how often the ledgers are read, at least 100ms; up to a tenth is added at random",
    )
    timeout: Duration = Field(
        default=timedelta(seconds=10),
        description="how long reading a source may take, from connecting to the last row",
    )
    max_age: Duration = Field(
        default=timedelta(minutes=15),
        description="how long the last values of a ledger that cannot be read are held; not shorter than `interval`",
    )

    @model_validator(mode="after")
    def _order(self) -> Self:
        shortest = timedelta(milliseconds=100)
        problems = [
            f"{name} must be at least 100ms" for name in ("interval", "timeout") if getattr(self, name) < shortest
        ]
        if self.max_age < self.interval:
            problems.append("max_age must not be shorter than interval, or values vanish between two refreshes")
        if self.max_age < self.timeout:
            problems.append("max_age must not be shorter than timeout, or values vanish while a refresh still waits")
        if problems:
            raise ValueError("; ".join(problems))
        return self


class Config(Section):
    """The whole configuration."""

    sources: Annotated[dict[Annotated[str, Field(pattern=_NAME)], SourceConfig], Field(min_length=1)]
    ledgers: Ledgers
    providers: Annotated[tuple[ProviderPattern, ...], Field(strict=False)] = DEFAULT_PROVIDERS
    waste: WasteConfig = WasteConfig()
    efficiency: EfficiencyConfig = EfficiencyConfig()
    costly: CostlyConfig = CostlyConfig()
    limits: Limits = Limits()
    refresh: RefreshConfig = RefreshConfig()
    thresholds: ThresholdsConfig = ThresholdsConfig()

    def with_timeout(self, timeout: timedelta) -> Self:
        """Return the same with another time for reading a source: to read a ledger whole takes longer than a refresh may."""
        return self.model_copy(update={"refresh": self.refresh.model_copy(update={"timeout": timeout})})

    def ledgers_of(self, source: str) -> list[LedgerName]:
        """Return the ledgers that stand, wholly or in part, in a source."""
        return [name for name in LEDGERS if source in self.ledgers[name].source_names]
