"""The commands of the documentation, as a reader would copy them, and which of them tests run as they stand."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

from tests.support.passages import ROOT, Passage, blanked, whole

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^( *)```(?:sh|bash|shell|console)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
FENCED = re.compile(r"^( *)```.*?^\1```$", re.MULTILINE | re.DOTALL)
INDENTED = re.compile(r"(?:\A|\n\n)((?: {4}|\t)\s*\S.*)")
INLINE = re.compile(r"`((?:make|docker|pipx|psql|python|systemctl|kubectl|promtool|ledger-exporter) [^`\n]+)`")
HEREDOC = re.compile(r"<<'?(\w+)'?.*?\n.*?^\1$", re.MULTILINE | re.DOTALL)
PROGRAM = re.compile(r"(?:[\w./-]*/)?ledger-exporter")
ASSIGNMENT = re.compile(r"^[A-Z_]+=\S* ")
LINE = re.compile(r"(?:\\\n|.)+")
"""A line, with those that a backslash joins to it."""

ENDING = {"backfill", "check", "reconcile", "report"}

BESIDE_OURS = re.compile(
    r"curl |export |promtool tsdb |for day in history/|kubectl kustomize |sed -i |install |cp deploy/|make help$"
)
"""What the documentation has done around the program, where no root, engine or cluster is needed for it."""

NEEDS_A_CLUSTER = re.compile(r" \| kubectl (-n \S+ )?apply -f -$")
"""What takes manifests from a pipe. What would go into it is built."""

FOLLOWED_ELSEWHERE = ROOT / "README.md"


def commands_of(page: Path) -> list[str]:
    """The commands in the shell blocks of a page, each in one line, without comments and variables set before them."""
    return [command.text for command in placed_commands_of(page)]


def placed_commands_of(page: Path) -> list[Passage]:
    """The same with their places."""
    return [
        Passage(page, block.line + above, command)
        for block in whole(page).find(BLOCK)
        for above, command in _numbered(block.text)
    ]


def commands_in(block: str) -> list[str]:
    """The commands of a shell block."""
    return [command for _, command in _numbered(block)]


def _numbered(block: str) -> Iterator[tuple[int, str]]:
    """The commands of a shell block, each after the number of lines above it."""
    text = blanked(HEREDOC, block)
    for line in LINE.finditer(text):
        command = re.sub(r"(^|\s)#.*$", "", line[0].replace("\\\n", " ")).strip()
        while ASSIGNMENT.match(command):
            command = ASSIGNMENT.sub("", command, count=1).strip()
        if command:
            yield text.count("\n", 0, line.start()), re.sub(r"\s+", " ", command)


def mentioned_in(page: Path) -> list[Passage]:
    """The commands that stand in the text of a page, and in its tables."""
    return list(whole(page).without(FENCED).find(INLINE))


def indented_in(page: Path) -> list[Passage]:
    """The first lines of blocks that are code by their indentation alone, where no language tells what they are."""
    return list(whole(page).without(FENCED).find(INDENTED))


def section_of(page: Path, title: str) -> str:
    """The text below a heading of the second level, up to the next."""
    return page.read_text().split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]


def parts_of(command: str) -> list[str]:
    """The single commands that a line joins by pipes and the like, without quotes and without redirections."""
    lexer = shlex.shlex(command, posix=True, punctuation_chars="|&;<>")
    lexer.whitespace_split, lexer.commenters = True, ""
    parts: list[list[str]] = [[]]
    words = iter(lexer)
    for word in words:
        if set(word) <= set("<>"):
            next(words)
        elif set(word) <= set("|&;"):
            parts.append([])
        else:
            parts[-1].append(word)
    return [" ".join(part) for part in parts if part]


def is_run(page: Path, command: str) -> bool:
    """Tell whether `tests/acceptance/test_documented_commands.py` runs a command of a page."""
    program, *arguments = command.split()
    ours = PROGRAM.fullmatch(program) and arguments and arguments[0] in ENDING
    return page != FOLLOWED_ELSEWHERE and bool(ours or BESIDE_OURS.match(command))


STEPS = section_of(ROOT / "README.md", "Point it at your ledgers")
NEEDS_AN_ENGINE = "docker "

FOLLOWED = {
    "README.md": [
        command
        for _, block in BLOCK.findall(STEPS)
        for command in commands_in(block)
        if not command.startswith(NEEDS_AN_ENGINE)
    ]
}
"""The commands that `tests/acceptance/test_readme.py` runs, by page.

systemd's page has the same installation, in another folder.
"""
