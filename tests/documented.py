"""The commands of the documentation, as a reader would copy them."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^( *)```(?:sh|bash|shell|console)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
HEREDOC = re.compile(r"<<'?(\w+)'?.*?\n.*?^\1$", re.MULTILINE | re.DOTALL)
PROGRAM = re.compile(r"(?:[\w./-]*/)?ledger-exporter")
ASSIGNMENT = re.compile(r"^[A-Z_]+=\S* ")


def commands_of(page: Path) -> list[str]:
    """The commands in the shell blocks of a page, each in one line, without comments and variables set before them."""
    found = []
    for _, block in BLOCK.findall(page.read_text()):
        text = HEREDOC.sub("", block).replace("\\\n", " ")
        for line in text.splitlines():
            command = re.sub(r"(^|\s)#.*$", "", line).strip()
            while ASSIGNMENT.match(command):
                command = ASSIGNMENT.sub("", command, count=1).strip()
            if command:
                found.append(re.sub(r"\s+", " ", command))
    return found
