"""One plain SQL statement a metric.

Each selects the labels in the order named, then the exact value; a NULL value is no sample. Statements with a window
are asked once a window, with its `first` and `last` day, and `since`: a label combination needs a row since then to be
in the window at all. Others know `first` and `last` as the 30 days.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """How one metric is computed; `needs` names a column without which it is not published."""

    metric: str
    ledger: str
    labels: tuple[str, ...]
    statement: str
    windowed: bool = True
    needs: tuple[str, str] | None = None


def _of(ledger: str, metric: str, labels: str, statement: str, needs: str | None = None) -> Figure:
    named = tuple(labels.split())
    return Figure(
        metric,
        ledger,
        tuple(label for label in named if label != "window"),
        statement,
        windowed="window" in named,
        needs=(ledger, needs) if needs else None,
    )


WITHIN = "day between %(first)s and %(last)s"
PRESENT = "day >= %(since)s"

COST = (
    _of(
        "cost",
        "ledger_provider_spend_usd",
        "provider window",
        f"""
        select provider, coalesce(sum(usd) filter (where {WITHIN}), 0)
        from charge group by provider having bool_or({PRESENT})
        """,
    ),
    _of(
        "cost",
        "ledger_provider_tokens",
        "provider token_type window",
        f"""
        select provider, 'input', coalesce(sum(tokens_in) filter (where {WITHIN}), 0)
        from charge group by provider having bool_or({PRESENT})
        """,
    ),
    _of(
        "cost",
        "ledger_provider_tokens",
        "provider token_type window",
        f"""
        select provider, 'output', coalesce(sum(tokens_out) filter (where {WITHIN}), 0)
        from charge group by provider having bool_or({PRESENT})
        """,
        needs="tokens_out",
    ),
    _of(
        "cost",
        "ledger_provider_tasks",
        "provider window",
        f"""
        select provider, count(distinct task) filter (where {WITHIN})
        from charge group by provider having bool_or({PRESENT})
        """,
        needs="task_id",
    ),
    _of(
        "cost",
        "ledger_provider_charges",
        "provider window",
        f"""
        select provider, count(*) filter (where {WITHIN})
        from charge group by provider having bool_or({PRESENT})
        """,
    ),
    _of(
        "cost",
        "ledger_charged_tasks",
        "window",
        f"select count(distinct task) from charge where {WITHIN}",
        needs="task_id",
    ),
    _of(
        "cost",
        "ledger_model_spend_usd",
        "provider model window",
        f"""
        select provider, pm_model, coalesce(sum(usd) filter (where {WITHIN}), 0)
        from charge group by provider, pm_model having bool_or({PRESENT})
        """,
    ),
    _of(
        "cost",
        "ledger_model_tokens",
        "provider model token_type window",
        f"""
        select provider, pm_model, 'input', coalesce(sum(tokens_in) filter (where {WITHIN}), 0)
        from charge group by provider, pm_model having bool_or({PRESENT})
        """,
    ),
    _of(
        "cost",
        "ledger_model_tokens",
        "provider model token_type window",
        f"""
        select provider, pm_model, 'output', coalesce(sum(tokens_out) filter (where {WITHIN}), 0)
        from charge group by provider, pm_model having bool_or({PRESENT})
        """,
        needs="tokens_out",
    ),
    _of(
        "cost",
        "ledger_model_first_seen_timestamp_seconds",
        "provider model",
        "select provider, pm_model, extract(epoch from min(created_at)) from charge group by provider, pm_model",
    ),
    _of(
        "cost",
        "ledger_quest_provider_spend_usd",
        "quest provider window",
        f"""
        select qp_quest, provider, coalesce(sum(usd) filter (where {WITHIN}), 0)
        from charge group by qp_quest, provider having bool_or({PRESENT})
        """,
    ),
    _of(
        "cost",
        "ledger_quest_spend_usd",
        "quest window",
        f"""
        select quest, coalesce(sum(usd) filter (where {WITHIN}), 0)
        from charge group by quest having bool_or({PRESENT})
        """,
    ),
    _of(
        "cost",
        "ledger_day_spend_usd",
        "day",
        """
        select to_char(d.day, 'YYYY-MM-DD'), (select coalesce(sum(c.usd), 0) from charge as c where c.day = d.day)
        from (select generate_series(%(first)s::timestamp, %(last)s::timestamp, '1 day')::date as day) as d
        """,
    ),
)

BUDGET = (
    _of(
        "budget",
        "ledger_quest_budget_usd",
        "quest",
        "select quest, sum(usd) from allocation where day = (select max(day) from allocation) group by quest",
    ),
    _of(
        "budget",
        "ledger_quest_allocated_usd",
        "quest window",
        f"""
        select p.quest, (select coalesce(sum(a.usd), 0) from allocation as a where a.quest = p.quest and a.{WITHIN})
        from (select distinct quest from allocation where {PRESENT}) as p
        """,
    ),
    _of(
        "budget",
        "ledger_budget_day_timestamp_seconds",
        "",
        "select extract(epoch from max(day)::timestamp) from allocation",
    ),
    _of(
        "budget",
        "ledger_quest_recorded_spend_usd",
        "quest window",
        f"""
        select p.quest, (
            select case when count(*) = 0 then 0 else sum(a.recorded) end
            from allocation as a where a.quest = p.quest and a.{WITHIN}
        )
        from (select distinct quest from allocation where recorded is not null and {PRESENT}) as p
        """,
    ),
    _of(
        "budget",
        "ledger_day_budget_usd",
        "day",
        f"select to_char(day, 'YYYY-MM-DD'), sum(usd) from allocation where {WITHIN} group by day",
    ),
    _of(
        "budget",
        "ledger_day_recorded_spend_usd",
        "day",
        f"select to_char(day, 'YYYY-MM-DD'), sum(recorded) from allocation where {WITHIN} group by day",
    ),
)

IMPACT = (
    _of(
        "impact",
        "ledger_impact_score",
        "quest layer window",
        f"""
        select p.ql_quest, p.layer, (
            select coalesce(sum(o.impact), 0)
            from outcome as o where o.settled and o.ql_quest = p.ql_quest and o.layer = p.layer and o.{WITHIN}
        )
        from (select distinct ql_quest, layer from outcome where {PRESENT}) as p
        """,
    ),
    _of(
        "impact",
        "ledger_impact_cost_usd",
        "quest layer window",
        f"""
        select p.ql_quest, p.layer, (
            select coalesce(sum(o.usd), 0)
            from outcome as o where o.settled and o.ql_quest = p.ql_quest and o.layer = p.layer and o.{WITHIN}
        )
        from (select distinct ql_quest, layer from outcome where {PRESENT}) as p
        """,
    ),
    _of(
        "impact",
        "ledger_impact_outcomes",
        "quest layer window",
        f"""
        select p.ql_quest, p.layer, (
            select count(*)
            from outcome as o where o.settled and o.ql_quest = p.ql_quest and o.layer = p.layer and o.{WITHIN}
        )
        from (select distinct ql_quest, layer from outcome where {PRESENT}) as p
        """,
    ),
    _of(
        "impact",
        "ledger_pending_cost_usd",
        "quest layer",
        """
        select p.ql_quest, p.layer, (
            select coalesce(sum(o.usd), 0)
            from outcome as o where not o.settled and o.ql_quest = p.ql_quest and o.layer = p.layer
        )
        from (select distinct ql_quest, layer from outcome where day >= %(since)s or not settled) as p
        """,
    ),
    _of(
        "impact",
        "ledger_pending_outcomes",
        "quest layer",
        """
        select p.ql_quest, p.layer, (
            select count(*) from outcome as o where not o.settled and o.ql_quest = p.ql_quest and o.layer = p.layer
        )
        from (select distinct ql_quest, layer from outcome where day >= %(since)s or not settled) as p
        """,
    ),
    _of(
        "impact",
        "ledger_waste_usd",
        "quest layer reason window",
        f"""
        select p.ql_quest, p.layer, p.reason, (
            select coalesce(sum(o.usd), 0)
            from outcome as o
            where o.ql_quest = p.ql_quest and o.layer = p.layer and o.reason = p.reason and o.{WITHIN}
        )
        from (select distinct ql_quest, layer, reason from outcome where reason is not null and {PRESENT}) as p
        """,
    ),
    _of(
        "impact",
        "ledger_waste_tokens",
        "quest layer reason window",
        f"""
        select p.ql_quest, p.layer, p.reason, (
            select coalesce(sum(o.tokens), 0)
            from outcome as o
            where o.ql_quest = p.ql_quest and o.layer = p.layer and o.reason = p.reason and o.{WITHIN}
        )
        from (select distinct ql_quest, layer, reason from outcome where reason is not null and {PRESENT}) as p
        """,
    ),
    _of(
        "impact",
        "ledger_waste_outcomes",
        "quest layer reason window",
        f"""
        select p.ql_quest, p.layer, p.reason, (
            select count(*)
            from outcome as o
            where o.ql_quest = p.ql_quest and o.layer = p.layer and o.reason = p.reason and o.{WITHIN}
        )
        from (select distinct ql_quest, layer, reason from outcome where reason is not null and {PRESENT}) as p
        """,
    ),
)

HEALTH = (
    _of(
        "cost",
        "ledger_newest_row_timestamp_seconds",
        "",
        "select extract(epoch from max(created_at)) from accepted_cost where created_at <= %(now)s",
    ),
    _of(
        "impact",
        "ledger_newest_row_timestamp_seconds",
        "",
        "select extract(epoch from max(created_at)) from accepted_impact where created_at <= %(now)s",
    ),
    _of(
        "budget",
        "ledger_newest_row_timestamp_seconds",
        "",
        "select extract(epoch from max(day)::timestamp) from accepted_budget",
    ),
    _of(
        "cost",
        "ledger_rows_rejected",
        "reason",
        """
        select 'instant', count(*) from raw_cost where created_at is null or not isfinite(created_at)
        union all
        select 'cost', count(*) from raw_cost
        where isfinite(created_at) and (cost_usd is null or cost_usd not between -1e100 and 1e100)
        """,
    ),
    _of(
        "impact",
        "ledger_rows_rejected",
        "reason",
        """
        select 'instant', count(*) from raw_impact where created_at is null or not isfinite(created_at)
        union all
        select 'cost', count(*) from raw_impact
        where isfinite(created_at) and (cost_usd is null or cost_usd not between -1e100 and 1e100)
        union all
        select 'impact', count(*) from raw_impact
        where isfinite(created_at) and cost_usd between -1e100 and 1e100
          and impact_score::text in ('NaN', 'Infinity', '-Infinity')
        """,
    ),
    _of(
        "budget",
        "ledger_rows_rejected",
        "reason",
        """
        select 'instant', count(*) from raw_budget where day is null or not isfinite(day)
        union all
        select 'allocation', count(*) from raw_budget
        where isfinite(day) and (allocated_usd is null or allocated_usd not between -1e100 and 1e100)
        """,
    ),
)

RATIOS = (
    _of(
        "impact",
        "ledger_quest_impact_per_usd",
        "quest window",
        f"""
        select quest, coalesce(sum(impact), 0), sum(usd) from outcome
        where settled and {WITHIN} group by quest having sum(usd) > 0
        """,
    ),
    _of(
        "impact",
        "ledger_layer_impact_per_usd",
        "layer window",
        f"""
        select layer, coalesce(sum(impact), 0), sum(usd) from outcome
        where settled and {WITHIN} group by layer having sum(usd) > 0
        """,
    ),
)

BEST_TASKS = f"""
    select task, quest, layer, title, impact, usd, tokens, extract(epoch from created_at) from outcome
    where settled and task is not null and usd > 0 and impact > 0 and {WITHIN}
"""

WASTED_TASKS = f"""
    select task, quest, layer, reason, title, tokens, usd, impact, extract(epoch from created_at) from outcome
    where reason is not null and task is not null and {WITHIN}
"""

COSTLY_TASKS = """
    select task_label, quest, sum(usd), sum(tokens_in + tokens_out) from charge
    where task is not null and day in (%(last)s, %(last)s - 1)
    group by task_label, quest
    order by sum(usd) desc, task_label collate "C", quest collate "C"
    limit %(top)s
"""

COUNTED = """
    select
        own_provider, raw_model, quest_id, own_model, own_quest, provider, model, quest,
        bool_or(day >= %(since)s), coalesce(sum(usd) filter (where day >= %(since)s), 0),
        coalesce(sum(usd) filter (where usd >= 0), 0),
        coalesce(sum(tokens_in) filter (where usd >= 0), 0),
        coalesce(sum(tokens_out) filter (where usd >= 0), 0),
        count(*) filter (where usd >= 0)
    from charge
    group by own_provider, raw_model, quest_id, own_model, own_quest, provider, model, quest
"""
