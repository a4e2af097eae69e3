"""Every query of every panel, asked of a real Prometheus that scrapes the real exporter over the demo's ledgers.

The panels' figures are worked out a second time from the oracle, in plain arithmetic, and compared. A query is asked for the
instant of one scrape, so that nothing depends on the pace of the machine.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from fractions import Fraction
from functools import cached_property
from math import isnan
from typing import Any

import psycopg
import pytest

from exporter.demo import history
from exporter.demo.incidents import Incidents
from exporter.demo.platform import Platform
from tests import oracle
from tests.support import postgres
from tests.support.boards import HEALTH, Part, Query, panels, queries
from tests.support.complaints import each
from tests.support.days import skip_shortly_before_midnight
from tests.support.exporter_process import Exporter, eventually
from tests.support.prometheus import Prometheus, RefusedError, Series

pytestmark = pytest.mark.tools

SCALE = 0.05
DAY_SECONDS = 86_400
SETTLED = ("low_impact", "unscored")
LARGE_WORDS = ("other", "no budget")

CONFIGURATION = """\
sources:
  platform: {{dsn: "{dsn}"}}
ledgers:
  cost: {{source: platform}}
  impact: {{source: platform}}
  budget: {{source: platform}}
refresh: {{interval: 500ms}}
thresholds:
  quest: {{efficiency_min_outcomes: {{warning: 1}}}}
  overrides:
    quests: {{"Antibiotic Lead Discovery": {{budget_used_ratio: {{warning: 1.1, critical: 1.5}}}}}}
    layers: {{Forge: {{waste_ratio: {{warning: 0.2}}}}}}
"""

# The thresholds that panels draw, as they are by default and by the configuration above.
THRESHOLDS = {
    "used_warning": Fraction(9, 10),
    "used_critical": Fraction(1),
    "fast_burn": Fraction(6),
    "waste_quest": Fraction(1, 4),
    "waste_layer": Fraction(3, 10),
    "efficiency_drop": Fraction(1, 2),
    "spike": Fraction(3),
    "spike_min_usd": Fraction(5),
    "task_usd": Fraction(10),
}
OVERRIDES = {
    ("used_warning", "Antibiotic Lead Discovery"): Fraction(11, 10),
    ("used_critical", "Antibiotic Lead Discovery"): Fraction(3, 2),
    ("waste_layer", "Forge"): Fraction(1, 5),
}

# Every quest has a settled outcome today, so that its day can be judged.
SETTLE = """
    insert into impact_ledger (created_at, updated_at, task_id, quest_id, layer, total_tokens, cost_usd, impact_score)
    select now(), now(), 'settled-' || quest_id, quest_id, 'Forge', 900, 0.25, 0.75
    from (select distinct quest_id from quest_budget_allocations) quests
"""

# Charges as they come in: one for each provider, model and quest there has been.
BOOK = """
    insert into cost_ledger (created_at, provider, model, task_id, quest_id, tokens_in, tokens_out, cost_usd)
    select distinct on (provider, model, quest_id)
        now(), provider, model, task_id, quest_id, tokens_in, tokens_out, cost_usd
    from cost_ledger where cost_usd between 0 and 100 and tokens_in > 0 and created_at <= now()
    order by provider, model, quest_id, created_at desc
"""


@dataclass(frozen=True)
class Choice:
    """What the variables are set to; None is All."""

    quest: str | None = None
    layer: str | None = None
    provider: str | None = None
    window: str = "7d"

    def interpolated(self, expr: str) -> str:
        """PromQL as Grafana sends it: a chosen value escaped for `=~`, as in a PromQL string."""
        texts = {name: _regex(getattr(self, name)) for name in ("quest", "layer", "provider")}
        texts |= {"instance": ".*", "window": self.window, "__rate_interval": "30s"}
        return re.sub(r"\$\{?(\w+)\}?", lambda found: texts.get(found[1], found[0]), expr)


def _regex(value: str | None) -> str:
    return ".*" if value is None else re.sub(r"[$^*{}\[\]'+?.()|]", r"\\\\\g<0>", value.replace("\\", r"\\\\"))


DEFAULT = Choice()
ODD = Choice("Literature Synthesis (lit-synthesis-materials)", "Atlas", "Bedrock", "all")

# Boards that begin with the first of their values, instead of with all.
FIRST = {
    "ledger-quest": {"quest": "Antibiotic Lead Discovery", "window": "30d"},
    "ledger-provider": {"provider": "Bedrock", "window": "30d"},
}


@dataclass
class Scene:
    """Prometheus, the instant of the scrape that all questions are about, and the oracle's figures at that scrape.

    Answers and figures are cached: the instant is past, and they do not change.
    """

    prometheus: Prometheus
    at: float
    snapshot: float
    samples: Mapping[oracle.Key, oracle.Exact]
    _figures: dict[Choice, Figures] = field(default_factory=dict)
    _answers: dict[tuple[str, str], list[Series]] = field(default_factory=dict)

    def figures(self, choice: Choice) -> Figures:
        """The oracle's figures as these variables let them through."""
        if choice not in self._figures:
            self._figures[choice] = Figures(self, choice)
        return self._figures[choice]

    def choice(self, name: str, uid: str) -> Choice:
        """What a board's variables are set to: its own `default`, or one `chosen` value each."""
        if name == "default":
            return replace(DEFAULT, **FIRST.get(uid, {}))
        quest, layer = self._well_known
        return Choice(quest, layer, "MiniMax", "30d")

    @cached_property
    def _well_known(self) -> tuple[str, str]:
        """The quest and layer that most figures know: best tasks as well as waste."""
        known: dict[tuple[str, str], set[object]] = {}
        for (metric, names), value in self.samples.items():
            labels = dict(names)
            if value and {"quest", "layer"} <= labels.keys():
                known.setdefault((labels["quest"], labels["layer"]), set()).add((metric, labels.get("reason")))
        return max(known, key=lambda pair: (len(known[pair]), pair))

    def answer(self, query: Query, choice: Choice) -> list[Series]:
        """What a panel gets from Prometheus; of a query over time the last values."""
        promql = choice.interpolated(query.expr)
        when = "now" if query.target["instant"] else "by day" if query.panel.get("interval") == "1d" else "over time"
        if (promql, when) not in self._answers:
            self._answers[promql, when] = self._asked(promql, when)
        return self._answers[promql, when]

    def _asked(self, promql: str, when: str) -> list[Series]:
        if when == "now":
            return self.prometheus.instant(promql, self.at)
        if when == "by day":
            midnight = self.at - self.at % DAY_SECONDS
            return self.prometheus.over_time(promql, midnight - DAY_SECONDS, midnight, DAY_SECONDS)
        return self.prometheus.over_time(promql, self.at - 60, self.at, 5)


@pytest.fixture(scope="module")
def scene(server: postgres.Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """The demo's ledgers, some charges booked after the first scrape, and the scrape that shows them."""
    skip_shortly_before_midnight(5)
    folder = tmp_path_factory.mktemp("dashboards")
    dsn = server.dsn(server.create_database())
    now = datetime.now(UTC)
    with psycopg.connect(dsn, autocommit=True) as connection:
        assert not history.is_loaded(connection)
        history.load(connection, Platform(scale=SCALE, incidents=Incidents(now)), now)
        connection.execute(SETTLE)
    file = folder / "ledger-exporter.yml"
    file.write_text(CONFIGURATION.format(dsn=dsn))
    with Exporter(file) as exporter:
        exporter.until_ready()
        with Prometheus(exporter.address, folder) as prometheus:
            eventually(lambda: prometheus.instant("ledger_charges_total"), "no counter was scraped")
            with psycopg.connect(dsn, autocommit=True) as connection:
                booked = connection.execute(BOOK).rowcount
            shown = f"sum(ledger_charges_total) == {booked}"
            at = _when(prometheus, f"timestamp(ledger_snapshot_timestamp_seconds) and on () {shown}")
            (snapshot,) = (one.value for one in prometheus.instant("ledger_snapshot_timestamp_seconds", at))
            samples = oracle.samples([dsn], datetime.fromtimestamp(snapshot, UTC))
            yield Scene(prometheus, at, snapshot, samples)


def _when(prometheus: Prometheus, promql: str) -> float:
    """The value of the first answer to a query."""
    found: list[Series] = []

    def answered() -> bool:
        found[:] = prometheus.instant(promql)
        return bool(found)

    eventually(answered, f"never true: {promql}")
    return found[0].value


# What the panels should show

Values = dict[tuple[str, ...], Fraction]
"""Figures by the values of some labels, in the order these are named in."""


class Figures:
    """The oracle's figures as the variables let them through."""

    def __init__(self, scene: Scene, choice: Choice) -> None:
        self.choice = choice
        self.snapshot = Fraction(scene.snapshot)
        self._samples: dict[str, list[tuple[dict[str, str], Fraction]]] = {}
        for (metric, names), value in scene.samples.items():
            self._samples.setdefault(metric, []).append((dict(names), Fraction(value)))

    def by(self, labels: str, metric: str, follows: str = "", **fixed: str | tuple[str, ...]) -> Values:
        """The sum per `labels` of a metric's series that have the chosen values of the variables in `follows`."""
        wanted = {name: getattr(self.choice, name) for name in follows.split()} | fixed
        found: Values = {}
        for labelled, value in self._samples.get(metric, []):
            if all(_allows(text, labelled[label]) for label, text in wanted.items()):
                place = tuple(labelled[label] for label in labels.split())
                found[place] = found.get(place, Fraction(0)) + value
        return found

    # --- what several panels show

    def spent(self, labels: str = "") -> Values:
        """Today's spend."""
        return self.by(labels, "ledger_quest_spend_usd", "quest", window="today")

    def budget(self, labels: str = "") -> Values:
        """Today's budget."""
        return self.by(labels, "ledger_quest_budget_usd", "quest")

    def projected(self) -> Values:
        """The spend at the end of the day, from its second hour on."""
        elapsed = self.snapshot % DAY_SECONDS / DAY_SECONDS
        return {place: spent / elapsed for place, spent in self.spent().items() if elapsed > Fraction(1, 24)}

    def wasted(self, labels: str = "", metric: str = "ledger_waste_usd", **fixed: str | tuple[str, ...]) -> Values:
        """Waste, pending left out unless a `reason` is given."""
        return self.by(labels, metric, "quest layer window", **({"reason": SETTLED} | fixed))

    def settled_cost(self, labels: str = "") -> Values:
        """Cost of settled outcomes."""
        return self.by(labels, "ledger_impact_cost_usd", "quest layer window")

    def impact_per_usd(self, labels: str = "") -> Values:
        """Sum of impact over sum of cost."""
        return over(self.by(labels, "ledger_impact_score", "quest layer window"), self.settled_cost(labels))

    def held(self) -> Values:
        """The pie of the budget."""
        return fold(self.budget("quest"), self._largest_budgets())

    def used(self) -> Values:
        """Today's spend of the quests in the pie."""
        budget = self.budget("quest")
        return fold(
            {quest: usd for quest, usd in self.spent("quest").items() if quest in budget}, self._largest_budgets()
        )

    def unbudgeted(self) -> Values:
        """Today's spend of all quests without a budget."""
        budget = self.budget("quest")
        others = [usd for quest, usd in self.spent("quest").items() if quest not in budget]
        return {("No budget",): sum(others, Fraction(0))} if others else {}

    def leads(self) -> Values:
        """The ids of the quests in the pie and their board; the board of all for what is no quest, whatever its figure."""
        kept = self._largest_budgets()
        info = self.by("quest quest_id", "ledger_quest_info", "quest")
        quests = {
            (quest, ident, "ledger-quest", quest): one for (quest, ident), one in info.items() if (quest,) in kept
        }
        rest = {place: usd for place, usd in (self.used() | self.unbudgeted()).items() if place not in kept}
        return quests | {(name, "", "ledger-resources", "$__all"): usd for (name,), usd in rest.items()}

    def allowed_shares(self) -> Values:
        """From where each of the largest quests counts as overspent."""
        return {quest: threshold("used_critical", *quest) for quest in self._largest_budgets()}

    def allowed_spend(self, name: str) -> Values:
        """What the quests may spend today before each is alerted on, together."""
        budget = self.budget("quest")
        return (
            {(): sum((usd * threshold(name, *quest) for quest, usd in budget.items()), Fraction(0))} if budget else {}
        )

    def allowed_pace(self) -> Values:
        """Dollars of an hour from which a quest burns too fast."""
        return {quest: usd * threshold("fast_burn", *quest) / 24 for quest, usd in self.budget("quest").items()}

    def allowed_waste(self, label: str) -> Values:
        """The share of waste from which each quest or layer that had costs is warned of."""
        week = self.by(label, "ledger_impact_cost_usd", "quest layer", window="7d")
        return {place: threshold(f"waste_{label}", *place) for place in week}

    def wasted_share(self, label: str) -> Values:
        """Waste of 7 days over the cost of all settled outcomes."""
        cost = self.by(label, "ledger_impact_cost_usd", "quest layer", window="7d")
        wasted = self.by(label, "ledger_waste_usd", "quest layer", reason=SETTLED, window="7d")
        return over(times(0, cost) | wasted, cost)

    def wasted_in_each_window(self) -> Values:
        """Waste of all windows; what has costs and no waste has none."""
        cost = self.each_window("ledger_impact_cost_usd", "quest layer")
        return times(0, cost) | self.each_window("ledger_waste_usd", "quest layer", reason=SETTLED)

    def impact_of(self, window: str) -> Values:
        """Impact per dollar of the quests, of all layers."""
        return self.by("quest", "ledger_quest_impact_per_usd", "quest", window=window)

    def allowed_hour(self) -> Values:
        """Dollars of an hour from which a provider's cost is a spike; none of a provider in its first two days."""
        week = self.by("provider", "ledger_provider_spend_usd", "provider", window="7d")
        today = self.by("provider", "ledger_provider_spend_usd", "provider", window="today")
        seen = self.by("provider model", "ledger_model_first_seen_timestamp_seconds", "provider")
        midnight = self.snapshot - self.snapshot % DAY_SECONDS
        found = {}
        for provider, usd in week.items():
            days = (midnight - min(at for (name, _), at in seen.items() if (name,) == provider)) / DAY_SECONDS
            before = usd - today[provider]
            if days >= 2 and before > 0:
                ordinary = before / min(days, 6)
                found[provider] = max(threshold("spike") * ordinary / 24, threshold("spike_min_usd"))
        return found

    def allowed_task(self) -> Values:
        """Dollars from which a task of each quest is a runaway, by task."""
        return {(task, quest): threshold("task_usd", quest) for task, quest in self.costly("usd")}

    def _largest_budgets(self) -> Values:
        return largest(
            8, {place: usd for place, usd in self.budget("quest").items() if place[0].lower() not in LARGE_WORDS}
        )

    def provider_spend(self, labels: str = "provider") -> Values:
        """Spend with the providers."""
        return self.by(labels, "ledger_provider_spend_usd", "provider window")

    def provider_tasks(self, labels: str = "provider") -> Values:
        """Distinct tasks."""
        return self.by(labels, "ledger_provider_tasks", "provider window")

    def provider_tokens(self, labels: str = "provider") -> Values:
        """Tokens in and out."""
        return self.by(labels, "ledger_provider_tokens", "provider window")

    def provider_shares(self) -> Values:
        """Spend over that of all providers."""
        (whole,) = self.by("", "ledger_provider_spend_usd", "window").values()
        return {place: usd / whole for place, usd in self.provider_spend().items()}

    def model_spend(self) -> Values:
        """Spend by model."""
        return self.by("model", "ledger_model_spend_usd", "provider window")

    def model_tokens(self, *types: str) -> Values:
        """Tokens by model, of the given types or of all."""
        fixed = {"token_type": types} if types else {}
        return self.by("model", "ledger_model_tokens", "provider window", **fixed)

    def model_first_seen(self) -> Values:
        """In milliseconds, the earliest over the providers."""
        seen = self.by("model provider", "ledger_model_first_seen_timestamp_seconds", "provider")
        return {
            (model,): 1000 * min(instant for (name, _), instant in seen.items() if name == model)
            for (model,) in self.model_spend()
        }

    def provider_quests(self) -> Values:
        """For whom the providers work."""
        usd = self.by("quest", "ledger_quest_provider_spend_usd", "quest provider window")
        return fold(usd, largest(8, {place: one for place, one in usd.items() if place[0].lower() != "other"}))

    def days(self, metric: str) -> Values:
        """A figure for each of 30 days, by the day's first instant."""
        return {(f"{day}T00:00:00Z",): usd for (day,), usd in self.by("day", metric).items()}

    def overspent_days(self) -> Values:
        """Spend of the days that spent more than their budget."""
        budget = self.days("ledger_day_budget_usd")
        return {
            day: usd for day, usd in self.days("ledger_day_spend_usd").items() if day in budget and usd > budget[day]
        }

    def budget_age_days(self) -> Values:
        """Whole days since the budget's."""
        (day,) = self.by("", "ledger_budget_day_timestamp_seconds").values()
        return {(): Fraction((self.snapshot - day) // DAY_SECONDS)} if self.budget() else {}

    def wasting_quests(self, reason: str) -> Values:
        """Waste of one reason, of the ten quests that waste most."""
        worst = largest(10, {quest: usd for quest, usd in self.wasted("quest").items() if usd > 0})
        of_reason = self.wasted("quest", reason=reason)
        return {quest: of_reason.get(quest, Fraction(0)) for quest in worst} or {("nothing wasted",): Fraction(0)}

    def best(self, what: str, labels: str = "task") -> Values:
        """A figure of the best tasks."""
        return self.by(labels, f"ledger_best_task_{what}", "quest layer")

    def worst(self, what: str, labels: str = "task") -> Values:
        """A figure of the fifteen worst tasks."""
        heaviest = largest(15, self.by("task", "ledger_wasted_task_tokens", "quest layer", reason=SETTLED))
        every = self.by(labels, f"ledger_wasted_task_{what}", "quest layer", reason=SETTLED)
        return {place: value for place, value in every.items() if place[:1] in heaviest}

    def costly(self, what: str) -> Values:
        """A figure of the costliest tasks."""
        return self.by("task quest", f"ledger_costly_task_{what}", "quest")

    def each_window(self, metric: str, follows: str, **fixed: str | tuple[str, ...]) -> Values:
        """A figure for each window."""
        return self.by("window", metric, follows, **fixed)


def _allows(wanted: str | tuple[str, ...] | None, text: str) -> bool:
    return wanted is None or text == wanted or (isinstance(wanted, tuple) and text in wanted)


def threshold(name: str, *whose: str) -> Fraction:
    """A threshold as configured, of a quest or layer if one is given."""
    return OVERRIDES.get((name, *whose), THRESHOLDS[name])


def agreed(values: Values) -> Values:
    """The value all have, or nothing."""
    first, *others = set(values.values()) or {None}
    return {} if first is None or others else {(): first}


def differing(values: Values) -> Values:
    """All values, or nothing if they are the same."""
    return {} if agreed(values) else values


def over(part: Values, whole: Values) -> Values:
    """Ratios, where the whole is above 0."""
    return {place: value / whole[place] for place, value in part.items() if whole.get(place, 0) > 0}


def times(factor: int, values: Values) -> Values:
    """Each figure so many times."""
    return {place: factor * value for place, value in values.items()}


def largest(count: int, values: Values) -> Values:
    """The `count` largest."""
    return dict(sorted(values.items(), key=lambda item: (-item[1], item[0]))[:count])


def fold(values: Values, kept: Values) -> Values:
    """Those that are kept, and the sum of all others as Other."""
    others = [value for place, value in values.items() if place not in kept]
    folded = {place: value for place, value in values.items() if place in kept}
    return folded | ({("Other",): sum(others, Fraction(0))} if others else {})


@dataclass(frozen=True)
class Wanted:
    """What a query should return: figures by `labels`; with `top`, as many of the largest of them."""

    labels: str
    figures: Callable[[Figures], Values]
    top: int | None = None


TITLES = "task quest layer title"
WASTE = "task quest layer reason title"

WANTED: dict[tuple[str, str], Wanted] = {
    ("Spent today", "A"): Wanted("", Figures.spent),
    ("Budget", "A"): Wanted("", Figures.budget),
    ("Budget", "B"): Wanted("", Figures.budget_age_days),
    ("Budget used", "A"): Wanted("", lambda f: over(f.spent(), f.budget())),
    ("Projected at 24:00 UTC", "A"): Wanted("", Figures.projected),
    ("Projected at 24:00 UTC", "B"): Wanted("", lambda f: over(f.projected(), f.budget())),
    ("Wasted ($window)", "A"): Wanted("", Figures.wasted),
    ("Wasted ($window)", "B"): Wanted("", lambda f: over(f.wasted(), f.settled_cost())),
    ("Impact per $ ($window)", "A"): Wanted("", Figures.impact_per_usd),
    # allocation
    ("Which quests hold today's budget?", "A"): Wanted("quest", Figures.held),
    ("How much of it is spent?", "A"): Wanted("quest", Figures.held),
    ("How much of it is spent?", "B"): Wanted("quest", lambda f: f.used() | f.unbudgeted()),
    ("How much of it is spent?", "C"): Wanted("quest", lambda f: {q: usd - f.used()[q] for q, usd in f.held().items()}),
    ("How much of it is spent?", "D"): Wanted("quest", lambda f: over(f.used(), f.held())),
    ("How much of it is spent?", "E"): Wanted("quest quest_id board choice", Figures.leads),
    ("How much of it is spent?", "F"): Wanted("quest", Figures.allowed_shares),
    # efficiency
    ("The 15 best tasks of the last 30 days", "A"): Wanted(TITLES, lambda f: f.best("impact_per_usd", TITLES), 15),
    ("The 15 best tasks of the last 30 days", "B"): Wanted("task", lambda f: f.best("impact_score")),
    ("The 15 best tasks of the last 30 days", "C"): Wanted("task", lambda f: f.best("cost_usd")),
    ("The 15 best tasks of the last 30 days", "D"): Wanted("task", lambda f: f.best("tokens")),
    ("Impact per $ by layer ($window)", "A"): Wanted("layer", lambda f: f.impact_per_usd("layer")),
    ("Impact per $ by quest ($window)", "A"): Wanted("quest", lambda f: f.impact_per_usd("quest"), 12),
    # utilization
    ("Day by day (all quests)", "A"): Wanted("day", lambda f: f.days("ledger_day_budget_usd")),
    ("Day by day (all quests)", "B"): Wanted("day", lambda f: f.days("ledger_day_spend_usd")),
    ("Day by day (all quests)", "C"): Wanted("day", Figures.overspent_days),
    ("Day by day (all quests)", "D"): Wanted(
        "day", lambda f: over(f.days("ledger_day_spend_usd"), f.days("ledger_day_budget_usd"))
    ),
    ("Today so far", "A"): Wanted("", Figures.budget),
    ("Today so far", "B"): Wanted("", Figures.spent),
    ("Today so far", "C"): Wanted("", Figures.projected),
    ("Today so far", "D"): Wanted("", lambda f: f.allowed_spend("used_warning")),
    ("Today so far", "E"): Wanted("", lambda f: f.allowed_spend("used_critical")),
    # providers
    ("Who gets the money? ($window)", "A"): Wanted(
        "provider", lambda f: f.by("provider", "ledger_quest_provider_spend_usd", "quest provider window")
    ),
    ("What does each provider cost? ($window, all quests)", "A"): Wanted("provider", Figures.provider_spend),
    ("What does each provider cost? ($window, all quests)", "B"): Wanted("provider", Figures.provider_shares),
    ("What does each provider cost? ($window, all quests)", "C"): Wanted("provider", Figures.provider_tasks),
    ("What does each provider cost? ($window, all quests)", "D"): Wanted("provider", Figures.provider_tokens),
    ("What does each provider cost? ($window, all quests)", "E"): Wanted(
        "provider", lambda f: over(f.provider_spend(), f.provider_tasks())
    ),
    ("What does each provider cost? ($window, all quests)", "F"): Wanted(
        "provider", lambda f: over(times(10**6, f.provider_spend()), f.provider_tokens())
    ),
    # waste
    ("Wasted $ ($window)", "A"): Wanted("", Figures.wasted),
    ("Wasted tokens ($window)", "A"): Wanted("", lambda f: f.wasted(metric="ledger_waste_tokens")),
    ("Still pending", "A"): Wanted("", lambda f: f.by("", "ledger_pending_outcomes", "quest layer")),
    ("Still pending", "B"): Wanted("", lambda f: f.by("", "ledger_pending_cost_usd", "quest layer")),
    ("Which quests waste, and why? ($window)", "A"): Wanted("quest", lambda f: f.wasting_quests("low_impact")),
    ("Which quests waste, and why? ($window)", "B"): Wanted("quest", lambda f: f.wasting_quests("unscored")),
    ("Waste by reason ($window)", "A"): Wanted("reason", lambda f: f.wasted("reason", reason=(*SETTLED, "pending"))),
    ("Waste by layer ($window)", "A"): Wanted("layer", lambda f: f.wasted("layer")),
    ("The 15 worst tasks of the last 30 days", "A"): Wanted(WASTE, lambda f: f.worst("tokens", WASTE)),
    ("The 15 worst tasks of the last 30 days", "B"): Wanted("task", lambda f: f.worst("usd")),
    ("The 15 worst tasks of the last 30 days", "C"): Wanted("task", lambda f: f.worst("impact_score")),
    ("Share wasted by layer, 7 days", "A"): Wanted("layer", lambda f: f.wasted_share("layer")),
    ("Share wasted by layer, 7 days", "B"): Wanted("", lambda f: agreed(f.allowed_waste("layer"))),
    ("Share wasted by layer, 7 days", "C"): Wanted("layer", lambda f: differing(f.allowed_waste("layer"))),
    ("The costliest tasks since yesterday", "A"): Wanted("task quest", lambda f: f.costly("usd"), 10),
    ("The costliest tasks since yesterday", "C"): Wanted("task quest", Figures.allowed_task, 10),
    # the Quest board
    ("Day by day, as recorded", "A"): Wanted(
        "quest", lambda f: f.by("quest", "ledger_quest_allocated_usd", "quest", window="today")
    ),
    ("Day by day, as recorded", "B"): Wanted("quest", lambda f: f.spent("quest")),
    ("Every window at a glance", "A"): Wanted("window", lambda f: f.each_window("ledger_quest_allocated_usd", "quest")),
    ("Every window at a glance", "B"): Wanted("window", lambda f: f.each_window("ledger_quest_spend_usd", "quest")),
    ("Every window at a glance", "C"): Wanted(
        "window", lambda f: f.each_window("ledger_quest_recorded_spend_usd", "quest")
    ),
    ("Every window at a glance", "D"): Wanted(
        "window",
        lambda f: over(
            f.each_window("ledger_impact_score", "quest layer"), f.each_window("ledger_impact_cost_usd", "quest layer")
        ),
    ),
    ("Every window at a glance", "E"): Wanted("window", Figures.wasted_in_each_window),
    ("Spend of the last hour", "B"): Wanted("quest", Figures.allowed_pace),
    ("Impact per $ over time", "A"): Wanted("quest", lambda f: f.impact_of("7d")),
    ("Impact per $ over time", "B"): Wanted("quest", lambda f: f.impact_of("today")),
    ("Impact per $ over time", "C"): Wanted(
        "quest", lambda f: {q: threshold("efficiency_drop", *q) * value for q, value in f.impact_of("7d").items()}
    ),
    ("Share wasted, 7 days", "A"): Wanted("quest", lambda f: f.wasted_share("quest")),
    ("Share wasted, 7 days", "B"): Wanted("", lambda f: agreed(f.allowed_waste("quest"))),
    ("Share wasted, 7 days", "C"): Wanted("quest", lambda f: differing(f.allowed_waste("quest"))),
    # the Provider board
    ("Cost ($window)", "A"): Wanted("", lambda f: f.provider_spend("")),
    ("Share ($window)", "A"): Wanted("", lambda f: {(): sum(f.provider_shares().values(), Fraction(0))}),
    ("Tasks ($window)", "A"): Wanted("", lambda f: f.provider_tasks("")),
    ("Tokens ($window)", "A"): Wanted("token_type", lambda f: f.provider_tokens("token_type")),
    ("Cost per task ($window)", "A"): Wanted("", lambda f: over(f.provider_spend(""), f.provider_tasks(""))),
    ("$ per 1M tokens ($window)", "A"): Wanted(
        "", lambda f: over(times(10**6, f.provider_spend("")), f.provider_tokens(""))
    ),
    ("Models ($window)", "A"): Wanted("model", Figures.model_spend),
    ("Models ($window)", "B"): Wanted("model", lambda f: f.model_tokens("input")),
    ("Models ($window)", "C"): Wanted("model", lambda f: f.model_tokens("output")),
    ("Models ($window)", "D"): Wanted("model", lambda f: over(times(10**6, f.model_spend()), f.model_tokens())),
    ("Models ($window)", "E"): Wanted("model", Figures.model_first_seen),
    ("For which quests? ($window)", "A"): Wanted("quest", Figures.provider_quests),
    ("Cost of the last hour", "B"): Wanted("provider", Figures.allowed_hour),
    ("Cost by day, 30 days", "A"): Wanted(
        "provider", lambda f: f.by("provider", "ledger_provider_spend_usd", "provider", window="today")
    ),
}
"""Title and query of every panel whose figures the ledgers alone decide."""

RATE = "a rate hangs on when the scrapes were"
NOT_COMPARED = {
    "Data age": "an age hangs on when refreshes were, not on the ledgers",
    "Cost per hour by provider": RATE,
    "Cost per hour by model": RATE,
    "Spend of the last hour": RATE,
    "Cost of the last hour": RATE,
    "$ per 1M tokens by model": RATE,
    "Tokens per hour": RATE,
    "The costliest tasks since yesterday": "the tokens of tasks that cost the same: any of them may be in the table",
}

LATER_IN_THE_DAY = {
    "Projected at 24:00 UTC": 3600,
    "Today so far C": 3600,
    "Day by day, as recorded": 300,
    "Cost by day, 30 days": 300,
}
"""Panels, or queries of them, that are empty in the first so many seconds of the UTC day, and say so."""

HOLDS_NOTHING = {
    "Share wasted by layer, 7 days B": "the one line where all thresholds agree",
}
"""What the whole platform may have nothing of. Of a chosen quest or provider any list may be empty, if the ledgers say so."""


# The tests

CHOICES = ("default", "chosen")

every = queries()


def _listed(query: Query, listed: Mapping[str, Any]) -> Any:
    title: str = query.panel["title"]
    return listed.get(title) or listed.get(f"{title} {query.target['refId']}")


def _may_be_empty(scene: Scene, query: Query) -> bool:
    return scene.snapshot % DAY_SECONDS <= (_listed(query, LATER_IN_THE_DAY) or -1)


def _steps(panel: Mapping[str, Any]) -> dict[str, Any]:
    return {step["id"]: step["options"] for step in panel.get("transformations", [])}


def _columns(panel: Mapping[str, Any]) -> set[str] | None:
    """The labels that a panel puts in columns; None where it draws series."""
    steps = _steps(panel)
    if "organize" in steps:
        return {field for field in steps["organize"]["indexByName"] if not field.startswith("Value")}
    return _key(panel) or None


def _key(panel: Mapping[str, Any]) -> set[str]:
    """The label that the rows of a panel's queries share."""
    steps = _steps(panel)
    return {steps["joinByField"]["byField"]} if "joinByField" in steps else set()


def _complaints(scene: Scene, query: Query, chosen: str) -> Iterator[str]:
    """What is wrong with a query's answer."""
    choice = scene.choice(chosen, query.board)
    try:
        answer = scene.answer(query, choice)
    except RefusedError as error:
        yield f"refused: {error}"
        return
    wanted = WANTED.get((query.panel["title"], query.target["refId"]))
    expected = wanted.figures(scene.figures(choice)) if wanted else {}
    if not answer and not _may_be_empty(scene, query) and (expected or not _may_hold_nothing(query, chosen)):
        yield "no data"
    yield from _wrong_labels(query, answer)
    if wanted and answer:
        yield from _wrong_figures(wanted, expected, answer)


def _may_hold_nothing(query: Query, chosen: str) -> bool:
    """Whether a query is rightly empty where the ledgers hold nothing to show."""
    if query.board == HEALTH:
        return False
    of_a_part = chosen == "chosen" or query.board in FIRST
    return (of_a_part and query.panel["title"] not in NOT_COMPARED) or bool(_listed(query, HOLDS_NOTHING))


def _wrong_labels(query: Query, answer: list[Series]) -> Iterator[str]:
    columns = _columns(query.panel)
    shown = set(re.findall(r"\{\{(\w+)\}\}", query.target.get("legendFormat", "")))
    for one in answer:
        labels = one.labels.keys() - ({"job"} if query.board == HEALTH else set())
        if query.target["refId"] == "max":
            good = not labels
        elif columns is None:
            good = labels == shown
        else:
            good = _key(query.panel) <= labels <= columns
        if not good:
            yield f"labels {sorted(one.labels)}, but the panel shows {sorted(columns or shown)}"


def _wrong_figures(wanted: Wanted, expected: Values, answer: list[Series]) -> Iterator[str]:
    found = {
        tuple(one.labels.get(label, "") for label in wanted.labels.split()): one.value
        for one in answer
        if not isnan(one.value)  # a place that is kept for another query's days
    }
    if wanted.top:
        biggest = [float(value) for value in sorted(expected.values(), reverse=True)[: wanted.top]]
        if sorted(found.values(), reverse=True) != pytest.approx(biggest):
            yield f"the largest are {biggest}, found {found}"
        expected = {place: expected[place] for place in found if place in expected}
    exact = {place: float(value) for place, value in expected.items()}
    right = {place for place in exact.keys() & found.keys() if found[place] == pytest.approx(exact[place], 1e-9, 1e-9)}
    for place in sorted((exact.keys() | found.keys()) - right):
        yield f"of {place}: expected {exact.get(place)}, found {found.get(place)}"


def _missing_columns(scene: Scene, mine: list[Query], chosen: str) -> Iterator[str]:
    """Columns and links of a panel whose label no query returns."""
    panel, uid = mine[0].panel, mine[0].board
    choice = scene.choice(chosen, uid)
    returned = {label for query in mine for one in scene.answer(query, choice) for label in one.labels}
    linked = set(re.findall(r"__(?:field\.labels|data\.fields)\.(\w+)", str(panel["fieldConfig"]["overrides"])))
    missing = (linked | (_columns(panel) or set())) - returned
    if returned and missing:
        yield f"no query returns {sorted(missing)}"


def _queries_of(panel: Part) -> list[Query]:
    return [query for query in every if query.panel is panel.body]


def _with_choice(item: tuple[Part | Query, str]) -> str:
    return f"{item[0]}, {item[1]} values"


@each([(query, chosen) for query in every for chosen in CHOICES], place=_with_choice)
def test_query_returns_what_the_panel_shows_and_the_ledgers_say(item: tuple[Query, str], scene: Scene) -> None:
    found = list(_complaints(scene, *item))
    assert not found, "; ".join(found)


@each([query for query in every if (query.panel["title"], query.target["refId"]) in WANTED])
def test_name_full_of_brackets_can_be_chosen(query: Query, scene: Scene) -> None:
    """Nothing need be there, but what is there is that quest's."""
    wanted = WANTED[query.panel["title"], query.target["refId"]]
    found = list(_wrong_figures(wanted, wanted.figures(scene.figures(ODD)), scene.answer(query, ODD)))
    assert not found, "; ".join(found)


@each([(panel, chosen) for panel in panels() for chosen in CHOICES], place=_with_choice)
def test_columns_and_links_of_a_panel_have_their_labels(item: tuple[Part, str], scene: Scene) -> None:
    panel, chosen = item
    found = list(_missing_columns(scene, _queries_of(panel), chosen))
    assert not found, "; ".join(found)


@each(
    [(panel, chosen) for panel in panels() if panel.body["type"] == "piechart" for chosen in CHOICES],
    place=_with_choice,
)
def test_shares_of_a_pie_add_up_to_the_whole(item: tuple[Part, str], scene: Scene) -> None:
    """With Other they are 100 % of what the exporter publishes, not of what fits into the pie."""
    panel, chosen = item
    choice = scene.choice(chosen, panel.board)
    figures = scene.figures(choice)
    wholes = {
        "Which quests hold today's budget?": figures.budget(),
        "Who gets the money? ($window)": figures.by("", "ledger_quest_provider_spend_usd", "quest provider window"),
        "For which quests? ($window)": figures.by("", "ledger_quest_provider_spend_usd", "quest provider window"),
    }
    (query,) = _queries_of(panel)
    (whole,) = wholes[panel.name].values()
    shares = [one.value / float(whole) for one in scene.answer(query, choice)]
    assert sum(shares) == pytest.approx(1, rel=1e-9)
    assert all(share >= 0 for share in shares)


def test_every_figure_of_the_views_is_compared() -> None:
    """A panel that is added needs its figures worked out here, or a reason why not."""
    drawn = {
        (query.panel["title"], query.target["refId"])
        for query in every
        if query.board != HEALTH and query.target["refId"] != "max"
    }
    assert {title for title, _ in drawn - WANTED.keys()} == NOT_COMPARED.keys()
    assert WANTED.keys() <= drawn


@each([title for title, reason in NOT_COMPARED.items() if reason == RATE])
def test_rates_show_what_was_booked(title: str, scene: Scene) -> None:
    query = next(query for query in every if query.panel["title"] == title)
    assert any(one.value > 0 for one in scene.answer(query, DEFAULT)), "nothing above 0"


METRICS_DRAWN = {name for query in every for name in re.findall(r"\bledger_\w+", query.expr)}
LABELS_DRAWN = {
    label for query in every for group in re.findall(r"\bby \(([^)]*)\)", query.expr) for label in group.split(", ")
}


@each(sorted((METRICS_DRAWN | LABELS_DRAWN) - {"instance"}))
def test_name_that_changes_on_one_side_is_noticed(name: str, scene: Scene) -> None:
    """A metric or label renamed in the exporter is, to the panels, a name that nobody publishes."""

    def renamed(query: Query) -> Query:
        expr = re.sub(rf"(?<!\$)\b{name}\b", f"{name}_renamed", query.expr)
        return replace(query, target=query.target | {"expr": expr})

    def complaints(mine: list[Query], chosen: str) -> Iterator[str]:
        for query in mine:
            yield from _complaints(scene, query, chosen)
        yield from _missing_columns(scene, mine, chosen)

    def noticed(mine: list[Query]) -> bool:
        new = [renamed(query) for query in mine]
        return any(
            complaint not in set(complaints(mine, chosen))
            for chosen in CHOICES
            for complaint in complaints(new, chosen)
        )

    concerned = [_queries_of(panel) for panel in panels()]
    assert any(noticed(mine) for mine in concerned if any(re.search(rf"\b{name}\b", query.expr) for query in mine)), (
        "no panel notices"
    )
