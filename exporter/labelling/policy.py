"""The policy of labels: who is called what, and who keeps a label of its own. It decides once a refresh."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Protocol

from exporter.config import Limits
from exporter.holding import Parts
from exporter.labelling.admission import Admission
from exporter.labelling.labels import Folds, Labeller, Labels
from exporter.labelling.quests import CountedQuests, Quests
from exporter.labelling.weights import admit_combinations, admit_labels

log = logging.getLogger(__name__)


class Publication(CountedQuests, Protocol):
    """What the policy has to know of that which is published by its labels."""

    def series(self, labels: Labels) -> int:
        """Return how many series there would be under these labels."""


def halved(limits: Limits, halvings: int) -> dict[str, int]:
    """Return the limits of labels and combinations, the latter halved so often; when nothing is left of them, the former."""
    combinations = limits.combinations >> halvings
    further = max(0, halvings - limits.combinations.bit_length())
    labels = {"quest": limits.quests, "model": limits.models, "provider": limits.providers, "layer": limits.layers}
    return {**{label: limit >> further for label, limit in labels.items()}, "combinations": combinations}


class LabelPolicy:
    """Decides about labels at each refresh, before anything is built: from the parts, and how many series they make.

    Within a day a label once given stays; new values get one while there is room. It is decided afresh at 00:00 UTC, when
    a ledger is first known, and under other limits.
    """

    def __init__(self, limits: Limits, admission: Callable[[Mapping[str, int]], Admission] = Admission) -> None:
        """`admission` begins an admission under the limits it is given; some let certain labels in before all others."""
        self._limits = limits
        self._new_admission = admission
        self._halvings = 0
        self._admission = admission(halved(limits, 0))
        self._quests = Quests()
        self._decided_for: tuple[int, frozenset[str]] | None = None
        self._answering: frozenset[str] = frozenset()
        self.labels: Labels | None = None
        """The labels decided last."""

    def limit(self, limits: Limits) -> None:
        """Go over to the limits of another configuration."""
        if limits != self._limits:
            self._limits = limits
            self._decided_for = None

    def decide(self, parts: Parts, publication: Publication) -> Labels:
        """Return the labels for what is known now, such that there are not too many series."""
        self._quests.learn(parts, publication)
        self._begin_afresh_when_due(parts)
        before = self._halvings
        labels = self._admitted(parts)
        while (series := publication.series(labels)) > self._limits.series and any(self._halved().values()):
            self._tighten()
            labels = self._admitted(parts)
        if self._halvings > before:
            extra = {"series": series, "limit": self._limits.series, **self._halved()}
            log.warning("there were more series than limits.series: labels are folded further", extra=extra)
        self.labels = replace(labels, series=series)
        return self.labels

    def _begin_afresh_when_due(self, parts: Parts) -> None:
        """Forget who keeps a label at 00:00 UTC, and when the 30 days that decide are first known of a ledger."""
        known = parts.known()
        answering = {ledger for ledger, part in known.items() if "30d" in part.windows}
        self._answering = (self._answering - known.keys()) | answering
        due_for = (parts.today, self._answering)
        if due_for != self._decided_for:
            self._decided_for, self._halvings = due_for, 0
            self._admission = self._new_admission(self._halved())

    def _tighten(self) -> None:
        """Halve the limits until that folds a label or combination that was admitted."""
        self._halvings += 1
        while any(self._halved().values()) and not self._admission.is_touched_by(self._halved()):
            self._halvings += 1
        self._admission = self._new_admission(self._halved())

    def _halved(self) -> dict[str, int]:
        return halved(self._limits, self._halvings)

    def _admitted(self, parts: Parts) -> Labels:
        """Admit what is new, and return how everything is labelled then."""
        admit_labels(self._admission, parts)
        labeller = self._labeller(self._admission.folds())
        admit_combinations(self._admission, parts, labeller)
        folds, before = self._admission.folds(), self.labels
        if before is not None and folds == before.folds:
            folds = before.folds  # the same object is compared sooner
        self.labels = Labels(labeller, folds, dict(self._quests.ids), dict(self._admission.folded))
        return self.labels

    def _labeller(self, folds: Folds) -> Labeller:
        labeller = Labeller(dict(self._quests.labels), folds)
        if self.labels is not None and labeller.is_like(self.labels.labeller):
            return self.labels.labeller
        return labeller
