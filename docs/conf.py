"""The documentation as a site: Sphinx reads the same Markdown that the repository shows.

`make docs` builds it; every warning is an error.
"""  # noqa: INP001 - Sphinx reads this file by its path

from __future__ import annotations

import re
import sys
from pathlib import Path

from sphinx.application import Sphinx

DOCS = Path(__file__).parent
ROOT = DOCS.parent
sys.path.insert(0, str(ROOT))

from exporter import __version__  # noqa: E402 - the folder it is in has only just become known

REPOSITORY = "https://github.com/ledger-exporter/ledger-exporter"
LINK = re.compile(r"(?<=\]\()(?!\w+:|#)([^)#\s]+)(#[^)\s]*)?(?=\))")

project = "ledger-exporter"
author = "the authors of ledger-exporter"
project_copyright = f"{author}; Apache License 2.0"
version = release = __version__

extensions = ["myst_parser"]
myst_heading_anchors = 4
nitpicky = True

html_theme = "furo"
html_title = f"ledger-exporter {__version__}"
html_theme_options = {"source_repository": REPOSITORY, "source_branch": "main", "source_directory": "docs/"}
html_copy_source = False


def resolve_links(app: Sphinx, document: str, content: list[str]) -> None:
    """Let links that lead out of docs/, to files of the repository, lead there on the web; a folder here is its README."""
    page = Path(app.srcdir) / f"{document}.md"
    content[0] = LINK.sub(lambda link: _resolved(page, link[1], link[2] or ""), content[0])


def _resolved(page: Path, target: str, fragment: str) -> str:
    file = (page.parent / target).resolve()
    if not file.is_relative_to(ROOT) or not file.exists():
        return target + fragment
    if not file.is_relative_to(DOCS):
        kind = "tree" if file.is_dir() else "blob"
        return f"{REPOSITORY}/{kind}/main/{file.relative_to(ROOT)}{fragment}"
    return f"{target.rstrip('/')}/README.md{fragment}" if (file / "README.md").is_file() else target + fragment


def setup(app: Sphinx) -> None:
    """Have links resolved as each page is read."""
    app.connect("source-read", resolve_links)
