"""Find passages in text files with the lines they stand on, so that a complaint can name the place."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Passage:
    """A part of a file, and the line on which it begins."""

    file: Path
    line: int
    text: str

    def __str__(self) -> str:
        """Where it stands, and its first line."""
        return f"{self.page}:{self.line}, {self.text.strip().partition(chr(10))[0]}"

    @property
    def page(self) -> str:
        """The file's path in the repository."""
        return self.file.relative_to(ROOT).as_posix()

    def find(self, pattern: str | re.Pattern[str]) -> Iterator[Passage]:
        """Every match of a pattern in the passage: its last group, or all of it if it has no groups."""
        for match in re.finditer(pattern, self.text):
            group = match.lastindex or 0
            yield Passage(self.file, self.line + self.text.count("\n", 0, match.start(group)), match[group])

    def without(self, pattern: str | re.Pattern[str]) -> Passage:
        """The passage with every match of a pattern left out; its lines keep their numbers."""
        return Passage(self.file, self.line, blanked(pattern, self.text))


def blanked(pattern: str | re.Pattern[str], text: str) -> str:
    """A text with every match of a pattern left out, except for line ends."""
    return re.sub(pattern, lambda match: "\n" * match[0].count("\n"), text)


@cache
def whole(file: Path) -> Passage:
    """All of a file."""
    return Passage(file, 1, file.read_text())
