"""The composition root without its clock and its HTTP: what reloads leave behind, which is nothing."""

from __future__ import annotations

import weakref
from pathlib import Path

import pytest
import yaml

from exporter.app import App


@pytest.mark.parametrize("server", ["pg18"], indirect=True)
def test_a_reload_leaves_nothing_of_the_refresh_before(database: str, tmp_path: Path) -> None:
    """A sidecar that reloads every minute must not fill the memory with what was known before."""
    file = tmp_path / "ledger-exporter.yml"
    ledgers = {ledger: {"source": "main"} for ledger in ("cost", "impact", "budget")}
    file.write_text(yaml.safe_dump({"sources": {"main": {"dsn": database}}, "ledgers": ledgers}))
    app = App(file)
    app.run_pass()
    former = []
    for _ in range(3):
        former.append(weakref.ref(app._refresh))  # noqa: SLF001
        app.reload()
        app.run_pass()
    app.stop()

    assert [one() for one in former] == [None] * 3
