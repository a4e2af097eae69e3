"""The oracle: a process seen from outside, refresh by refresh."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any, Self, TypeAlias

from tests.oracle import copies, figures, labels
from tests.oracle.counters import Counted, Counters
from tests.oracle.figures import Figure
from tests.oracle.folding import Limit, Weighed
from tests.oracle.options import LEDGERS, Options
from tests.oracle.values import Samples, key

FOLDER = Path(__file__).parent
SINCE_EVER = "-infinity"
PASSING = frozenset({"today", "yesterday"})

Row: TypeAlias = tuple[Any, ...]


def samples(shards: Sequence[str], now: datetime, options: Options | None = None) -> Samples:
    """Every figure of the ledgers in these databases (connection strings), as of a process started `now`."""
    with Oracle(shards, options) as oracle:
        return oracle.refresh(now)


class Oracle:
    """What an exporter process publishes after each refresh. Each ledger is the sum of its parts in all `shards`."""

    def __init__(self, shards: Sequence[str], options: Options | None = None) -> None:
        self.options = options or Options()
        self._shards = [copies.connect(dsn) for dsn in shards]
        self._work = copies.connect(shards[0])
        copies.create(self._work)
        self._execute_script("tables.sql")
        self._read_at: dict[str, datetime] = {}
        self._counters = Counters(self.options.combinations)
        options = self.options
        self._limits = {
            "quest": Limit(options.quests),
            "model": Limit(options.models),
            "provider": Limit(options.provider_limit),
            "layer": Limit(options.layers),
            "provider,model": Limit(options.combinations),
            "quest,provider": Limit(options.combinations),
            "quest,layer": Limit(options.combinations),
        }
        self._quest_ids: dict[str, str] = {}
        self._quest_ids_ever: dict[str, str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections; the temporary tables vanish with them."""
        for connection in (self._work, *self._shards):
            connection.close()

    def refresh(self, now: datetime, ledgers: Collection[str] = LEDGERS) -> Samples:
        """One refresh in which only these ledgers can be read: the samples published after it, counters included."""
        for ledger in ledgers:
            copies.refresh(self._work, ledger, self._shards, self.options)
            self._work.execute("delete from clock where ledger = %s", [ledger])
            self._work.execute("insert into clock values (%s, %s, %s)", [ledger, now, _day(now)])
            self._read_at[ledger] = now
        self._name()
        self._execute_script("fill.sql")
        self._judge_outcomes()
        self._fold(_day(now))
        if "cost" in ledgers:
            self._counters.observe(self._counted())
        return self._published(now)

    # --- labels ------------------------------------------------------------------------------------------------

    def _name(self) -> None:
        """Decide what every raw text in the ledgers is called."""
        quests = labels.quest_labels(self._quest_names())
        self._quest_ids = {label: quest for quest, label in quests.items()}
        self._quest_ids_ever |= self._quest_ids
        self._store("quest_name", quests)
        self._call("provider_name", "accepted_cost", "provider", lambda raw: labels.family(raw, self.options.providers))
        self._call("model_name", "accepted_cost", "model", labels.clean)
        self._call("layer_name", "accepted_impact", "layer", labels.clean)
        self._call("task_name", "accepted_cost", "task_id", labels.clean)

    def _quest_names(self) -> dict[str, str | None]:
        """Every quest id in any ledger, and the name of its newest allocation."""
        known = self._rows("""
            select quest_id from accepted_cost where quest_id is not null
            union select quest_id from accepted_impact where quest_id is not null
            union select quest_id from accepted_budget where quest_id is not null
        """)
        named = self._rows("""
            select quest_id, min(quest_name collate "C")
            from accepted_budget as b
            where day = (select max(day) from accepted_budget as newest where newest.quest_id = b.quest_id)
            group by quest_id
        """)
        return dict.fromkeys((quest for (quest,) in known), None) | dict(named)

    def _call(self, table: str, source: str, column: str, called: Callable[[str], str]) -> None:
        raws = self._rows(f"select distinct {column} from {source} where {column} is not null")
        self._store(table, {raw: called(raw) for (raw,) in raws})

    def _store(self, table: str, names: Mapping[str, str]) -> None:
        self._work.execute(f"truncate {table}")
        with self._work.cursor().copy(f"copy {table} from stdin") as into:
            for pair in names.items():
                into.write_row(pair)

    # --- outcomes ----------------------------------------------------------------------------------------------

    def _judge_outcomes(self) -> None:
        """Tell settled from pending, and waste from work, as of the instant the ledger was read."""
        read_at = self._read_at.get("impact")
        if read_at is None:
            return
        self._work.execute(
            "update outcome set settled = impact is not null or created_at <= %s", [read_at - self.options.grace]
        )
        self._work.execute("update outcome set reason = 'low_impact' where impact <= %s", [self.options.max_impact])
        self._work.execute("update outcome set reason = 'unscored' where impact is null and settled")
        self._work.execute("update outcome set reason = 'pending' where not settled")
        self._work.execute("update outcome set reason = null where tokens <= %s", [self.options.min_tokens])

    # --- folding -----------------------------------------------------------------------------------------------

    def _fold(self, today: date) -> None:
        """Let who is beyond a limit become `other`: labels first, then combinations of what the labels have become."""
        self._fold_label("provider", today, "charge")
        self._fold_label("model", today, "charge")
        self._fold_label("layer", today, "outcome")
        self._fold_quests(today)
        self._work.execute("update charge set pm_model = model, qp_quest = quest")
        self._work.execute("update outcome set ql_quest = quest")
        self._fold_combination("provider,model", today, "charge", "model", "pm_model")
        self._fold_combination("quest,provider", today, "charge", "quest", "qp_quest")
        self._fold_combination("quest,layer", today, "outcome", "quest", "ql_quest")

    def _fold_label(self, label: str, today: date, table: str) -> None:
        limit = self._limits[label]
        weighed = self._weigh(table, label)
        limit.decide((one for one in weighed if one.member[0] not in labels.RESERVED), today)
        self._become_other(table, label, [name for (name,) in limit.folded])

    def _fold_quests(self, today: date) -> None:
        """Fold quests by their ids: a new name is no newcomer."""
        limit = self._limits["quest"]
        limit.decide(self._weigh_quests(), today)
        beyond = [label for label, quest in self._quest_ids.items() if limit.folds((quest,))]
        for table in ("charge", "outcome", "allocation"):
            self._become_other(table, "quest", beyond)

    def _become_other(self, table: str, label: str, beyond: Sequence[str]) -> None:
        self._work.execute(f"update {table} set {label} = 'other' where {label} = any(%s)", [list(beyond)])

    def _fold_combination(self, name: str, today: date, table: str, part: str, column: str) -> None:
        """Fold combinations: `part` becomes `other`, in a `column` of its own."""
        parts = name.split(",")
        limit = self._limits[name]
        place = parts.index(part)
        limit.decide((one for one in self._weigh(table, name) if one.member[place] != labels.OTHER), today)
        matches = " and ".join(f"{label} = %s" for label in parts)
        for member in limit.folded:
            self._work.execute(f"update {table} set {column} = 'other' where {matches}", member)

    def _weigh(self, table: str, columns: str) -> list[Weighed]:
        """Labels or combinations of one ledger's rows, weighed by their dollars of 30 days."""
        found = self._rows(
            f"""
            select {columns}, bool_or(day >= %(since)s), coalesce(sum(usd) filter (where day >= %(since)s), 0)::text
            from {table} group by {columns}
            """,
            since=self._month({"charge": "cost", "outcome": "impact", "allocation": "budget"}[table]),
        )
        return [Weighed(tuple(member), recent, (Decimal(usd),), tuple(member)) for *member, recent, usd in found]

    def _weigh_quests(self) -> list[Weighed]:
        """Quest ids of all ledgers: by spend, then allocation, then cost of outcomes, all of 30 days, then by id."""
        weights = {quest: [Decimal(0)] * 3 for quest in self._quest_ids.values()}
        recent: set[str] = set()
        for place, table in enumerate(("charge", "allocation", "outcome")):
            for weighed in self._weigh(table, "quest"):
                (label,) = weighed.member
                if label == labels.UNKNOWN:
                    continue
                quest = self._quest_ids[label]
                weights[quest][place] = weighed.weights[0]
                if weighed.recent:
                    recent.add(quest)
        return [Weighed((quest,), quest in recent, tuple(weight), (quest,)) for quest, weight in weights.items()]

    # --- figures -----------------------------------------------------------------------------------------------

    def _published(self, now: datetime) -> Samples:
        """All samples, without those of ledgers that are too old, and of windows that have passed."""
        options = self.options
        found: Samples = {
            key("ledger_waste_min_tokens", {}): options.min_tokens,
            key("ledger_waste_max_impact", {}): options.max_impact,
        }
        for name, limit in self._limits.items():
            found[key("ledger_labels_folded", {"label": name})] = len(limit.folded)
        found[key("ledger_labels_folded", {"label": "provider,model,quest"})] = len(self._counters.refused)
        if self._fresh("cost", now):
            found |= self._counters.samples(tokens_out=not self._lacks(("cost", "tokens_out")))
        for figure in (*figures.COST, *figures.BUDGET, *figures.IMPACT):
            found |= self._figure(figure, now)
        for figure in figures.RATIOS:
            found |= self._ratio(figure, now)
        for figure in figures.HEALTH:
            found |= self._figure(figure, now, {"ledger": figure.ledger})
        found |= self._best_tasks(now) | self._wasted_tasks(now) | self._costly_tasks(now)
        self._add_unspent(found, now)
        self._add_quest_info(found)
        return found

    def _fresh(self, ledger: str, now: datetime) -> bool:
        """Whether a ledger's last reading is still to be published."""
        return ledger in self._read_at and now - self._read_at[ledger] <= self.options.max_age

    def _windows(self, ledger: str, now: datetime) -> dict[str, dict[str, object]]:
        """The windows of a ledger's last reading that still hold, with the days of each."""
        if not self._fresh(ledger, now):
            return {}
        read_at = self._read_at[ledger]
        today, month = _day(read_at), self._month(ledger)
        windows: dict[str, dict[str, object]] = {
            "today": {"first": today, "last": today, "since": month},
            "yesterday": {"first": today - timedelta(1), "last": today - timedelta(1), "since": month},
            "7d": {"first": today - timedelta(6), "last": today, "since": month},
            "30d": {"first": month, "last": today, "since": month},
            "all": {"first": SINCE_EVER, "last": today, "since": SINCE_EVER},
        }
        held_over = _day(now) != today
        return {name: days for name, days in windows.items() if not (held_over and name in PASSING)}

    def _figure(self, figure: Figure, now: datetime, constant: dict[str, str] | None = None) -> Samples:
        """The samples of one metric."""
        found: Samples = {}
        for constants, parameters in self._asked(figure, now):
            for *names, value in self._exact_rows(figure, parameters):
                if value is not None:
                    labelled = dict(zip(figure.labels, names, strict=True)) | constants | (constant or {})
                    found[key(figure.metric, labelled)] = value
        return found

    def _ratio(self, figure: Figure, now: datetime) -> Samples:
        """The samples of one metric that is a ratio of sums."""
        found: Samples = {}
        for constants, parameters in self._asked(figure, now):
            for *names, above, below in self._exact_rows(figure, parameters):
                labelled = dict(zip(figure.labels, names, strict=True)) | constants
                found[key(figure.metric, labelled)] = Fraction(above) / Fraction(below)
        return found

    def _asked(self, figure: Figure, now: datetime) -> Iterable[tuple[dict[str, str], dict[str, object]]]:
        """What a figure is asked for: constant labels, and the days as parameters."""
        if self._lacks(figure.needs) or not self._fresh(figure.ledger, now):
            return
        if not figure.windowed:
            yield {}, self._thirty_days(figure.ledger)
            return
        for window, days in self._windows(figure.ledger, now).items():
            yield {"window": window}, days

    def _lacks(self, column: tuple[str, str] | None) -> bool:
        return column in self.options.absent

    def _exact_rows(self, figure: Figure, parameters: Mapping[str, object]) -> list[Row]:
        """The rows a figure's statement returns, labels as texts and numbers as exact values."""
        width = len(figure.labels)
        found = self._rows(f"select * from ({figure.statement}) as figure", **parameters)
        return [(*row[:width], *(None if value is None else Decimal(value) for value in row[width:])) for row in found]

    def _best_tasks(self, now: datetime) -> Samples:
        """The tasks with the most impact per dollar, each by its best row."""
        if not self._fresh("impact", now):
            return {}
        ranked = []
        rows = self._rows(figures.BEST_TASKS, **self._thirty_days("impact"))
        for task, quest, layer, title, impact, usd, tokens, instant in rows:
            ratio = Fraction(impact) / Fraction(usd)
            rank = (-ratio, task.encode(), -Fraction(instant), -Fraction(usd), Fraction(tokens))
            ranked.append((rank, labels.clean(task), quest, layer, title, ratio, impact, usd, tokens))
        found: Samples = {}
        for _, task, quest, layer, title, ratio, impact, usd, tokens in _first_of_each(ranked, self.options.best_tasks):
            names = {"task": task, "quest": quest, "layer": layer}
            found[key("ledger_best_task_impact_per_usd", names | {"title": _title(title)})] = ratio
            found[key("ledger_best_task_impact_score", names)] = impact
            found[key("ledger_best_task_cost_usd", names)] = usd
            found[key("ledger_best_task_tokens", names)] = tokens
        return found

    def _wasted_tasks(self, now: datetime) -> Samples:
        """The tasks that burnt the most tokens for nothing, each by its heaviest row."""
        if not self._fresh("impact", now):
            return {}
        ranked = []
        rows = self._rows(figures.WASTED_TASKS, **self._thirty_days("impact"))
        for task, quest, layer, reason, title, tokens, usd, impact, instant in rows:
            rank = (-Fraction(tokens), task.encode(), -Fraction(instant), -Fraction(usd))
            ranked.append((rank, labels.clean(task), quest, layer, reason, title, tokens, usd, impact))
        found: Samples = {}
        for _, task, quest, layer, reason, title, tokens, usd, impact in _first_of_each(
            ranked, self.options.worst_tasks
        ):
            names = {"task": task, "quest": quest, "layer": layer, "reason": reason}
            found[key("ledger_wasted_task_tokens", names | {"title": _title(title)})] = tokens
            found[key("ledger_wasted_task_usd", names)] = usd
            if impact is not None:
                found[key("ledger_wasted_task_impact_score", names)] = impact
        return found

    def _costly_tasks(self, now: datetime) -> Samples:
        """The costliest tasks of today and yesterday, gone when the day has changed since."""
        if self._lacks(("cost", "task_id")) or "today" not in self._windows("cost", now):
            return {}
        found: Samples = {}
        days = self._thirty_days("cost") | {"top": self.options.costly_tasks}
        for task, quest, usd, tokens in self._rows(figures.COSTLY_TASKS, **days):
            found[key("ledger_costly_task_usd", {"task": task, "quest": quest})] = usd
            found[key("ledger_costly_task_tokens", {"task": task, "quest": quest})] = tokens
        return found

    def _add_unspent(self, found: Samples, now: datetime) -> None:
        """A quest with an allocation in a window, or a budget, has spend 0 where it has no charge."""
        windows = self._windows("cost", now)
        for metric, names in list(found):
            labelled = dict(names)
            if metric == "ledger_quest_allocated_usd" and labelled["window"] in windows:
                found.setdefault(key("ledger_quest_spend_usd", labelled), 0)
            if metric == "ledger_quest_budget_usd":
                for window in windows:
                    found.setdefault(key("ledger_quest_spend_usd", labelled | {"window": window}), 0)

    def _add_quest_info(self, found: Samples) -> None:
        """One for each quest published anywhere; a counter keeps the name its quest once had."""
        quests = {value for _, names in found for label, value in names if label == "quest"}
        for quest in quests:
            quest_id = labels.clean(self._quest_ids_ever.get(quest, ""))
            found[key("ledger_quest_info", {"quest": quest, "quest_id": quest_id})] = 1

    def _counted(self) -> list[Counted]:
        """The non-negative charges, by where they come from."""
        rows = self._rows(figures.COUNTED, since=self._month("cost"))
        return [
            Counted(
                origin=(family, raw_model, quest_id),
                own=(family, own_model, own_quest),
                folded=(provider, model, quest),
                recent=recent,
                weight=weight,
                totals=tuple(map(Fraction, totals)),
            )
            for family, raw_model, quest_id, own_model, own_quest, provider, model, quest, recent, weight, *totals in rows
        ]

    # --- asking ------------------------------------------------------------------------------------------------

    def _month(self, ledger: str) -> date | str:
        """The first of the 30 days of a ledger's last reading."""
        read_at = self._read_at.get(ledger)
        return _day(read_at) - timedelta(29) if read_at else SINCE_EVER

    def _thirty_days(self, ledger: str) -> dict[str, object]:
        read_at = self._read_at[ledger]
        month = self._month(ledger)
        return {"first": month, "last": _day(read_at), "since": month, "now": read_at}

    def _rows(self, statement: str, **parameters: object) -> list[Row]:
        return self._work.execute(statement, parameters).fetchall()

    def _execute_script(self, name: str) -> None:
        self._work.execute((FOLDER / name).read_text())


def _first_of_each(ranked: list[Row], places: int) -> list[Row]:
    """The first rows by rank, no task label twice."""
    first: dict[str, Row] = {}
    for row in sorted(ranked, key=lambda row: row[0]):
        first.setdefault(row[1], row)
    return list(first.values())[:places]


def _title(title: str | None) -> str:
    return labels.clean(title or "", labels.TITLE_CHARACTERS)


def _day(instant: datetime) -> date:
    return instant.astimezone(UTC).date()
