"""Who is called what at a step: quests by their names then, and who had a label of its own that day."""

from __future__ import annotations

from exporter import assembly
from exporter.assembly import Labeller, Parts
from exporter.config import Limits
from exporter.labels import Admission, Folds
from exporter.parts import BudgetPart


class Growing(Admission):
    """An admission that newcomers join without another decision: its folds know them at once."""

    def folds(self) -> Folds:
        """Return the decision, which follows."""
        return Folds(self._kept)


class Labelling:
    """Decides at the beginning of each day, as the exporter does at 00:00 UTC, who keeps a label, and names newcomers."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._halvings = 0
        self._quest_labels: dict[str, str] = {}
        self.quest_ids: dict[str, str] = {}
        self._begin()

    def _begin(self) -> None:
        self.admission = Growing(assembly.admission_limits(self._limits, self._halvings))
        self.folds = self.admission.folds()
        self.labeller = Labeller(self._quest_labels, self.folds)

    def follow(self, parts: Parts, budget: BudgetPart, *, afresh: bool) -> bool:
        """Name and let in who is there; tell whether anybody is called otherwise than before.

        `afresh` is to decide anew who keeps a label.
        """
        labels = assembly.label_quests(assembly.quest_ids(parts), assembly.booked_names(budget))
        changed = afresh or any(self._quest_labels.get(quest, label) != label for quest, label in labels.items())
        self._quest_labels.update(labels)
        self.quest_ids.update({label: quest for quest, label in labels.items()})
        if afresh:
            self._halvings = 0
            self._begin()
        elif changed:
            self.labeller = Labeller(self._quest_labels, self.folds)
        assembly.admit_labels(self.admission, parts)
        return changed

    def tighten(self, parts: Parts) -> bool:
        """Halve the limits until that takes a label or combination from somebody; tell whether that was possible."""
        before = self.admission
        while any(self._halved().values()):
            self._halvings += 1
            if before.is_touched_by(self._halved()):
                self._begin()
                assembly.admit_labels(self.admission, parts)
                return True
        return False

    def _halved(self) -> dict[str, int]:
        return assembly.admission_limits(self._limits, self._halvings)
