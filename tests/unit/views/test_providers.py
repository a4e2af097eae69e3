"""Providers: what does each provider cost us?"""

from __future__ import annotations

from exporter.sums import WINDOWS
from exporter.views import providers
from tests.support.snapshots import CLOSED, cost_figures, folds, published, snapshot, spend, usd, windowed

X = ("A", "m", "x")
ONCE = spend((X, 0, usd("5", 10, 20)))


def test_spend_tokens_and_charges_add_up_by_provider_and_window() -> None:
    table = spend((X, 0, usd("5", 10, 20)), (("A", "n", "y"), 0, usd("-1", 1, 2)), (X, 1, usd("2", 100, 200, 3)))
    found = published(providers.families(snapshot(cost=cost_figures(table))))

    assert found["ledger_provider_spend_usd"] == windowed("A", today=4, yesterday=2, d7=6, d30=6, all=6)
    assert found["ledger_provider_charges"] == windowed("A", today=2, yesterday=3, d7=5, d30=5, all=5)
    assert found["ledger_provider_tokens"] == {
        **windowed("A", "input", today=11, yesterday=100, d7=111, d30=111, all=111),
        **windowed("A", "output", today=22, yesterday=200, d7=222, d30=222, all=222),
    }


def test_a_ledger_without_output_tokens_publishes_none() -> None:
    """Neither by provider nor by model nor as a counter: unknown is not zero."""
    figures = cost_figures(ONCE, has_tokens_out=False, counters={X: usd("1", 1)})
    found = published(providers.families(snapshot(cost=figures)))

    for name in ("ledger_provider_tokens", "ledger_model_tokens", "ledger_tokens_total"):
        assert {token_type for labels in found[name] for token_type in labels if token_type in {"input", "output"}} == {
            "input"
        }


def test_tasks_are_distinct_by_provider_and_over_all() -> None:
    table = spend((X, 0, usd("1")), (("B", "m", "x"), 0, usd("1")))
    figures = cost_figures(table, tasks={"A": (1, 1, 1, 1, 1), "B": (2, 0, 2, 2, 2)}, all_tasks=(2, 1, 2, 2, 2))
    found = published(providers.families(snapshot(cost=figures)))

    assert found["ledger_provider_tasks"] == {
        **windowed("A", today=1, yesterday=1, d7=1, d30=1, all=1),
        **windowed("B", today=2, yesterday=0, d7=2, d30=2, all=2),
    }
    assert found["ledger_charged_tasks"] == windowed(today=2, yesterday=1, d7=2, d30=2, all=2)


def test_a_provider_whose_charges_have_no_task_has_0_tasks() -> None:
    found = published(providers.families(snapshot(cost=cost_figures(ONCE))))

    assert found["ledger_provider_tasks"] == windowed("A", today=0, yesterday=0, d7=0, d30=0, all=0)


def test_an_empty_ledger_has_0_tasks_in_every_window() -> None:
    found = published(providers.families(snapshot(cost=cost_figures())))

    assert found == {"ledger_charged_tasks": {(window,): 0.0 for window in WINDOWS}}


def test_a_ledger_without_tasks_publishes_none() -> None:
    found = published(providers.families(snapshot(cost=cost_figures(ONCE, tasks=None))))

    assert not {"ledger_provider_tasks", "ledger_charged_tasks"} & found.keys()


def test_models_stand_with_their_provider() -> None:
    table = spend((("A", "m", "x"), 0, usd("1", 3, 4)), (("B", "m", "x"), 35, usd("2", 5, 6)))
    found = published(providers.families(snapshot(cost=cost_figures(table))))

    assert found["ledger_model_spend_usd"] == {
        **windowed("A", "m", today=1, yesterday=0, d7=1, d30=1, all=1),
        **windowed("B", "m", all=2),
    }
    assert found["ledger_model_tokens"]["A", "m", "output", "all"] == 4


def test_folded_models_stay_with_their_provider_and_in_its_sum() -> None:
    table = spend((("A", "m", "x"), 0, usd("1")), (("A", "n", "x"), 0, usd("2")), (("A", "other", "x"), 0, usd("4")))
    kept = folds(provider__model=[("A", "m")])
    found = published(providers.families(snapshot(cost=cost_figures(table), folds=kept)))

    assert found["ledger_model_spend_usd"]["A", "m", "today"] == 1
    assert found["ledger_model_spend_usd"]["A", "other", "today"] == 6


def test_a_model_is_first_seen_at_its_first_instant_in_seconds() -> None:
    found = published(providers.families(snapshot(cost=cost_figures(first_seen={("A", "m"): 1_500_000}))))

    assert found["ledger_model_first_seen_timestamp_seconds"] == {("A", "m"): 1.5}


def test_folded_models_are_first_seen_with_the_first_of_them() -> None:
    figures = cost_figures(first_seen={("A", "m"): 3_000_000, ("A", "n"): 1_000_000})
    found = published(providers.families(snapshot(cost=figures, folds=folds(provider__model=[]))))

    assert found["ledger_model_first_seen_timestamp_seconds"] == {("A", "other"): 1.0}


def test_quests_spend_by_provider() -> None:
    table = spend((("A", "m", "x"), 0, usd("1")), (("B", "m", "x"), 1, usd("2")))
    found = published(providers.families(snapshot(cost=cost_figures(table))))

    assert found["ledger_quest_provider_spend_usd"] == {
        **windowed("x", "A", today=1, yesterday=0, d7=1, d30=1, all=1),
        **windowed("x", "B", today=0, yesterday=2, d7=2, d30=2, all=2),
    }


def test_parts_sum_to_the_whole() -> None:
    """By provider, by model and by quest it is the same money, folded or not."""
    table = spend(
        (("A", "m", "x"), 0, usd("0.25")), (("A", "n", "y"), 0, usd("0.5")), (("B", "m", "y"), 0, usd("4")),
    )  # fmt: skip
    kept = folds(provider__model=[("A", "m")], quest__provider=[("y", "A")])
    found = published(providers.families(snapshot(cost=cost_figures(table), folds=kept)))

    for name in ("ledger_provider_spend_usd", "ledger_model_spend_usd", "ledger_quest_provider_spend_usd"):
        assert sum(value for labels, value in found[name].items() if labels[-1] == "today") == 4.75


def test_counters_are_published_as_they_stand() -> None:
    found = published(providers.families(snapshot(cost=cost_figures(counters={X: usd("1.5", 10, 20, 3)}))))

    assert found["ledger_spend_usd_total"] == {X: 1.5}
    assert found["ledger_tokens_total"] == {(*X, "input"): 10.0, (*X, "output"): 20.0}
    assert found["ledger_charges_total"] == {X: 3.0}


def test_a_ledger_read_yesterday_has_no_today() -> None:
    found = published(providers.families(snapshot(cost=cost_figures(ONCE, windows=CLOSED))))

    windows = {name: {labels[-1] for labels in samples} for name, samples in found.items()}
    assert set(windows) == {
        "ledger_provider_spend_usd", "ledger_provider_tokens", "ledger_provider_tasks", "ledger_provider_charges",
        "ledger_charged_tasks", "ledger_model_spend_usd", "ledger_model_tokens", "ledger_quest_provider_spend_usd",
    }  # fmt: skip
    assert all(found_windows == set(CLOSED) for found_windows in windows.values())


def test_without_the_ledger_there_is_nothing() -> None:
    assert list(providers.families(snapshot())) == []
