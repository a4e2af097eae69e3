"""Who keeps a label of its own is read off what is published, where something is folded."""

from __future__ import annotations

from decimal import Decimal

from exporter.publishing.samples import Key
from exporter.reconcile.kept import Kept

LIMITS = {"quest": 2, "provider": 1, "model": 1, "layer": 1, "combinations": 1}


def key(metric: str, **labels: str) -> Key:
    return metric, frozenset(labels.items())


PUBLISHED = {
    key("ledger_quest_info", quest="Small", quest_id="q-small"): 1.0,
    key("ledger_quest_info", quest="other", quest_id=""): 1.0,
    key("ledger_model_spend_usd", provider="GLM", model="m2", window="7d"): 1.0,
    key("ledger_model_spend_usd", provider="GLM", model="other", window="7d"): 1.0,
    key("ledger_impact_cost_usd", quest="Small", layer="Atlas", window="7d"): 1.0,
}


def test_where_nothing_is_folded_nobody_is_preferred() -> None:
    assert Kept.of({**PUBLISHED, key("ledger_labels_folded", label="model"): 0.0}) == Kept()


def test_the_counters_folding_is_their_own() -> None:
    assert Kept.of({**PUBLISHED, key("ledger_labels_folded", label="provider,model,quest"): 3.0}) == Kept()


def test_what_is_published_is_let_in_before_all_others() -> None:
    """However much heavier the others are."""
    kept = Kept.of({**PUBLISHED, key("ledger_labels_folded", label="model"): 1.0})
    admission = kept.admission(LIMITS)
    weights = {"q-large": Decimal(900), "q-middle": Decimal(800), "q-small": Decimal(1)}
    admission.admit("quest", {quest: (weight,) for quest, weight in weights.items()})
    admission.admit("model", {"m1": (1, 900), "m2": (1, 1)})
    admission.admit_combinations(("provider", "model"), {("GLM", "m1"): (1, 900), ("GLM", "m2"): (1, 1)})

    assert admission.folds().kept["quest"] == {"q-small", "q-large"}
    assert admission.folds().kept["model"] == {"m2"}
    assert admission.folds().kept["provider,model"] == {("GLM", "m2")}
    assert admission.folded["model"] == 1


def test_other_takes_nobodys_place() -> None:
    kept = Kept.of({**PUBLISHED, key("ledger_labels_folded", label="model"): 1.0})

    assert kept.quest_ids == {"q-small"}
    assert kept.values == ({"GLM"}, {"m2"}, {"Atlas"})
    assert kept.combinations[1:] == (set(), {("Small", "Atlas")})
