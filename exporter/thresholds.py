"""Thresholds: which there are, what they are by default, and what they are for one quest, provider or layer.

Pure. A threshold has levels by severity; a level that is None does not exist, and what compares with it is switched off.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import pairwise
from typing import Literal

Scope = Literal["quest", "provider", "layer", "platform"]
SCOPES: tuple[Scope, ...] = ("quest", "provider", "layer", "platform")

SEVERITIES = ("notice", "info", "warning", "critical")
"""From the mildest on. `notice` is the earlier of two levels that both alert as info."""

Levels = Mapping[str, Decimal | None]
"""Severity to level."""

Named = Mapping[str, Levels]
"""Threshold to its levels."""

Place = tuple[str, ...]
Problem = tuple[Place, str]


@dataclass(frozen=True)
class Threshold:
    """One threshold of one scope; `help` says its meaning and unit. A `falling` one is crossed from above."""

    scope: Scope
    name: str
    help: str
    defaults: Mapping[str, Decimal]
    falling: bool = False

    @property
    def metric(self) -> str:
        """Return the name of the metric that publishes it."""
        return f"ledger_threshold_{self.scope}_{self.name}"


def _threshold(scope: Scope, name: str, text: str, *, falling: bool = False, **levels: str) -> Threshold:
    return Threshold(scope, name, text, {severity: Decimal(level) for severity, level in levels.items()}, falling)


CATALOGUE: tuple[Threshold, ...] = (
    _threshold(
        "quest", "budget_used_ratio", "Share of today's budget a quest has spent, above which it is too much.",
        notice="0.5", info="0.75", warning="0.9", critical="1",
    ),
    _threshold(
        "quest", "fast_burn_ratio", "How many times faster than its budget allows a quest may spend for an hour.",
        critical="6",
    ),
    _threshold(
        "quest", "slow_burn_ratio", "Share of its allocations of 30 and 7 days above which a quest has spent too much.",
        warning="0.95",
    ),
    _threshold(
        "quest", "forecast_ratio", "Share of today's budget above which the spend forecast for 24:00 UTC is too much.",
        warning="1",
    ),
    _threshold(
        "quest", "underused_ratio", "Share of its allocations of 7 days below which a quest has spent too little.",
        falling=True, info="0.3",
    ),
    _threshold(
        "quest", "unbudgeted_spend_usd", "US dollars a quest without a budget may spend in a day.", warning="1",
    ),
    _threshold(
        "quest", "waste_ratio", "Share of what its settled outcomes of 7 days cost that a quest may waste.",
        warning="0.25",
    ),
    _threshold(
        "quest", "waste_min_usd", "US dollars wasted in 7 days up to which a quest's share of waste is no matter.",
        warning="5",
    ),
    _threshold("quest", "waste_usd", "US dollars a quest may waste in a day.", warning="20"),
    _threshold(
        "quest", "waste_growth_ratio", "How many times its share of a week ago a quest's share of waste may become.",
        warning="2",
    ),
    _threshold(
        "quest", "task_usd", "US dollars a task of the quest may be charged since yesterday while it goes on.",
        critical="10",
    ),
    _threshold(
        "quest", "efficiency_drop_ratio", "Share of its impact per US dollar of 7 days below which today's is too little.",
        falling=True, warning="0.5",
    ),
    _threshold(
        "quest", "efficiency_min_outcomes", "Number of settled outcomes of a day from which a quest's impact is judged.",
        warning="5",
    ),
    _threshold(
        "quest", "recorded_gap_ratio", "Share of its charges by which a quest's recorded spend of yesterday may differ.",
        warning="0.05",
    ),
    _threshold(
        "quest", "recorded_gap_usd", "US dollars by which a quest's recorded and charged spend of yesterday may differ.",
        warning="1",
    ),
    _threshold(
        "provider", "spike_ratio", "How many times its ordinary day's pace a provider may cost for an hour.", warning="4",
    ),
    _threshold(
        "provider", "spike_min_usd", "US dollars in an hour up to which a provider's pace is no matter.", warning="5",
    ),
    _threshold(
        "provider", "price_jump_ratio", "How many times its price of the six days before a model's may become.",
        warning="1.5",
    ),
    _threshold(
        "provider", "price_min_usd", "US dollars a model costs today up to which its price is no matter.", warning="1",
    ),
    _threshold(
        "provider", "new_model_seconds", "For how many seconds after its first charge a model is new.", info="86400",
    ),
    _threshold(
        "layer", "waste_ratio", "Share of what its settled outcomes of 7 days cost that a layer may waste.", warning="0.3",
    ),
    _threshold(
        "layer", "waste_min_usd", "US dollars wasted in 7 days up to which a layer's share of waste is no matter.",
        warning="20",
    ),
    _threshold(
        "platform", "budget_used_ratio", "Share of all budgets of today above which all quests together have overspent.",
        critical="1",
    ),
    _threshold(
        "platform", "silence_seconds", "For how many seconds no charge may be booked at an hour when that is unusual.",
        warning="1800",
    ),
    _threshold(
        "platform", "corrections_per_hour", "How many corrections of settled rows of a ledger are usual in an hour.",
        warning="100",
    ),
    _threshold(
        "platform", "verified_age_seconds", "How many seconds old a ledger's oldest verification may become.",
        warning="604800",
    ),
)  # fmt: skip


def of_scope(scope: str | None) -> dict[str, Threshold]:
    """Return the thresholds of a scope by name."""
    return {threshold.name: threshold for threshold in CATALOGUE if threshold.scope == scope}


@dataclass(frozen=True)
class Thresholds:
    """What is configured: defaults by scope, and overrides by scope and the name or id of what they are for."""

    defaults: Mapping[Scope, Named] = field(default_factory=dict)
    overrides: Mapping[Scope, Mapping[str, Named]] = field(default_factory=dict)

    def levels(self, threshold: Threshold, *names: str) -> dict[str, Decimal]:
        """Return the effective levels by severity for what goes by these names; where several are overridden the last wins."""
        overrides = self.overrides.get(threshold.scope, {})
        levels: dict[str, Decimal | None] = dict(threshold.defaults)
        for named in (
            self.defaults.get(threshold.scope, {}),
            *(overrides[name] for name in names if name in overrides),
        ):
            levels.update(named.get(threshold.name, {}))
        return {severity: level for severity, level in levels.items() if level is not None}

    def overrides_any(self, threshold: Threshold, names: Collection[str]) -> bool:
        """Tell whether anything is overridden for what goes by one of these names; if not, the levels without names hold."""
        return not self.overrides.get(threshold.scope, {}).keys().isdisjoint(names)

    def problems(self) -> Iterator[Problem]:
        """Yield every unknown threshold or severity, and every level that is not below the next severity's, with its place."""
        for scope, named in self.defaults.items():
            yield from self._problems(scope, (scope,), named)
        for scope, by_name in self.overrides.items():
            for name, named in by_name.items():
                yield from self._problems(scope, ("overrides", f"{scope}s", name), named, name)

    def _problems(self, scope: Scope, place: Place, named: Named, *names: str) -> Iterator[Problem]:
        known = of_scope(scope)
        for name, levels in named.items():
            if name not in known:
                yield (*place, name), f"is not a known key; allowed here: {', '.join(known)}"
                continue
            allowed = known[name].defaults
            unknown = [severity for severity in levels if severity not in allowed]
            for severity in unknown:
                yield (*place, name, severity), f"is not a known key; allowed here: {', '.join(allowed)}"
            if not unknown:
                for problem in _disorder(known[name], self.levels(known[name], *names)):
                    yield (*place, name), problem


def _disorder(threshold: Threshold, levels: Mapping[str, Decimal]) -> Iterator[str]:
    """Yield each pair of neighbouring severities of which the milder would not alert first."""
    ordered = [severity for severity in SEVERITIES if severity in levels]
    for mild, severe in pairwise(ordered):
        first, second = levels[mild], levels[severe]
        if (first <= second) if threshold.falling else (first >= second):
            side = "above" if threshold.falling else "below"
            yield f"{mild} ({first}) must be {side} {severe} ({second})"
