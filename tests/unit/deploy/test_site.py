"""The documentation's site: links lead where they say, on the web too, and the build fails where it should."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.tools import need_package

ROOT = Path(__file__).parents[3]
DOCS = ROOT / "docs"
REPOSITORY = "https://github.com/ledger-exporter/ledger-exporter"

pytestmark = pytest.mark.tools


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A small documentation in a small repository, with the real configuration."""
    folder = tmp_path / "docs"
    (folder / "decisions").mkdir(parents=True)
    shutil.copy(DOCS / "conf.py", folder)
    (tmp_path / "exporter").mkdir()
    (tmp_path / "exporter" / "__init__.py").write_text('__version__ = "1.2.3"\n')
    (tmp_path / "README.md").write_text("# Read me\n")
    (folder / "index.md").write_text("# Home\n\n```{toctree}\n\npage\ndecisions/README\n```\n")
    (folder / "page.md").write_text("# A page\n\n## A heading\n\nText.\n")
    (folder / "decisions" / "README.md").write_text("# Decisions\n")
    return folder


def build(site: Path) -> tuple[str, str]:
    """Build as `make docs` does; return the page `page` and what was complained about."""
    need_package("sphinx")
    (command,) = re.findall(r"python (-m sphinx .*) docs dist/docs$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    out = site.parent / "dist"
    done = subprocess.run(
        [sys.executable, *command.split(), site, out], capture_output=True, text=True, check=False, cwd=site.parent
    )
    assert (done.returncode == 0) == (not done.stderr), done.stderr
    html = out / "page.html"
    return html.read_text() if html.exists() else "", done.stderr


def add(site: Path, text: str) -> None:
    """Add a line to the page."""
    with (site / "page.md").open("a") as page:
        page.write(f"\n{text}\n")


def test_a_sound_documentation_builds_without_a_word(site: Path) -> None:
    """Links lead to pages, to files of the repository, for a folder to its page; nothing is fetched from elsewhere."""
    add(site, "[heading](#a-heading), [home](index.md), [web](https://example.org), [why](decisions/)")
    add(site, "[read](../README.md#usage) and [folder](../exporter/)")
    html, complaints = build(site)
    loaded = re.findall(r'<(?:script|link|img|iframe)[^>]+(?:src|href)="([^"]+)"', html)

    assert complaints == ""
    assert 'href="index.html"' in html
    assert 'href="decisions/README.html"' in html
    assert f'href="{REPOSITORY}/blob/main/README.md#usage"' in html
    assert f'href="{REPOSITORY}/tree/main/exporter"' in html
    assert "1.2.3" in html
    assert loaded
    assert not [address for address in loaded if "//" in address]


def test_whatever_leads_nowhere_fails_the_build(site: Path) -> None:
    """A page, a file, a heading, a picture, and a page that nothing leads to: each is named."""
    for text in (
        "[](no-page.md)",
        "[](../no-file.py)",
        "[](index.md#no-heading)",
        "[](#none-here)",
        "![](no-picture.png)",
    ):
        add(site, text)
    (site / "lost.md").write_text("# Lost\n")
    _, complaints = build(site)

    for name in ("no-page.md", "no-file.py", "no-heading", "none-here", "no-picture.png", "lost.md"):
        assert name in complaints
