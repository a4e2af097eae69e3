"""What is measured so far, in a file: a run of an hour that is cut off goes on where it was."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any


class Progress:
    """Steps of a measurement that are done, for as long as what is measured stays the same."""

    def __init__(self, file: Path, subject: Mapping[str, Any]) -> None:
        """Take up what the file holds if it is of the same subject: plan, machine, versions and date."""
        self._file, self._subject = file, json.loads(json.dumps(subject))
        self._done: dict[str, Any] = {}
        if file.exists() and (found := json.loads(file.read_text("utf-8")))["subject"] == self._subject:
            self._done = found["done"]
        self.sittings = 1 + int(self._done.get("sittings", 0))
        self._done["sittings"] = self.sittings

    def step(self, name: str, measure: Callable[[], Any]) -> Any:  # noqa: ANN401 - what the step measures
        """Return what a step measured before, or measure it now and keep it."""
        if name not in self._done:
            self._done[name] = measure()
            self._file.write_text(json.dumps({"subject": self._subject, "done": self._done}), "utf-8")
        return self._done[name]

    def end(self) -> None:
        """Forget everything: the run is over."""
        self._file.unlink(missing_ok=True)
