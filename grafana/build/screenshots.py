"""Take pictures of the dashboards with headless Chromium: `python -m grafana.build.screenshots --grafana-url URL`.

Needs the playwright package and a Chromium (`--chromium`, by default the first on the PATH). A picture holds the whole board, however
long, and nothing of Grafana around it. Exit codes: 0 taken, 1 a panel shows an error, 2 Grafana or Chromium cannot be reached.
"""

import argparse
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

from playwright.sync_api import Browser, Error, Page, sync_playwright

from grafana.build import health, provider, quest, resources

IMAGES = Path(__file__).parents[2] / "docs" / "images"
BOARDS = (resources.UID, quest.UID, provider.UID, health.UID)
WIDTHS = (1920, 1280, 390)
THEMES = ("dark", "light")
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
ERRORS = '[data-testid="data-testid Panel status error"], [aria-label="Panel status"], .panel-info-corner--error'
SETTLE_MS = 1_000
PATIENCE_MS = 60_000


@dataclass(frozen=True)
class Shot:
    """One picture: which board, with which variables, how wide, dark or light."""

    uid: str
    variables: dict[str, str]
    width: int
    theme: str

    @property
    def file_name(self) -> str:
        """Where it goes, such as `ledger-resources-1920-dark.png`."""
        return f"{self.uid}-{self.width}-{self.theme}.png"

    def url(self, grafana: str) -> str:
        """Its address, without Grafana's own menus."""
        query = {"orgId": "1", "theme": self.theme} | {f"var-{name}": text for name, text in self.variables.items()}
        return f"{grafana.rstrip('/')}/d/{self.uid}/?{urlencode(query)}&kiosk"


def take(browser: Browser, grafana: str, shot: Shot, folder: Path) -> list[str]:
    """Take one picture and return what its panels complain about."""
    page = browser.new_page(viewport={"width": shot.width, "height": 1000})
    try:
        page.goto(shot.url(grafana), wait_until="networkidle", timeout=PATIENCE_MS)
        _show_all(page, shot.width)
        page.screenshot(path=folder / shot.file_name)
        return [f"{shot.file_name}: {text}" for text in _complaints(page)]
    finally:
        page.close()


def _show_all(page: Page, width: int) -> None:
    """Make the window as tall as the board, so that every panel is drawn, and wait until it is."""
    page.wait_for_selector(".react-grid-layout", timeout=PATIENCE_MS)
    below = page.evaluate(
        "() => Math.max(...[...document.querySelectorAll('.react-grid-item')].map(panel =>"
        " Math.ceil(panel.getBoundingClientRect().bottom + window.scrollY)))"
    )
    page.set_viewport_size({"width": width, "height": below + 40})
    page.wait_for_load_state("networkidle", timeout=PATIENCE_MS)
    page.wait_for_function(
        "() => !document.querySelector('.panel-loading, [aria-label=\"Panel loading bar\"]')", timeout=PATIENCE_MS
    )
    page.wait_for_timeout(SETTLE_MS)


def _complaints(page: Page) -> Iterator[str]:
    for error in page.query_selector_all(ERRORS):
        yield error.evaluate(
            "e => (e.closest('section, .panel-container')?.querySelector('h2, h6')?.textContent || 'a panel') + ' shows an error'"
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m grafana.build.screenshots", description="Take pictures of the dashboards."
    )
    parser.add_argument(
        "--grafana-url", required=True, help="a Grafana that serves these dashboards to anonymous viewers"
    )
    parser.add_argument("--output", type=Path, default=IMAGES, help="folder of the pictures")
    parser.add_argument("--board", action="append", choices=BOARDS, help="only this one (repeatable)")
    parser.add_argument("--width", action="append", type=int, help="in pixels (repeatable)")
    parser.add_argument("--theme", action="append", choices=THEMES, help="only this one (repeatable)")
    parser.add_argument(
        "--variable", action="append", default=[], metavar="NAME=VALUE", help="of the boards (repeatable)"
    )
    parser.add_argument("--chromium", default=shutil.which("chromium") or shutil.which("google-chrome"))
    options = parser.parse_args(arguments)
    variables = dict(pair.split("=", 1) for pair in options.variable)
    options.output.mkdir(parents=True, exist_ok=True)
    complaints: list[str] = []
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=options.chromium, args=list(QUIET))
            for uid in options.board or BOARDS:
                for width in options.width or WIDTHS:
                    for theme in options.theme or THEMES:
                        shot = Shot(uid, variables, width, theme)
                        complaints += take(browser, options.grafana_url, shot, options.output)
    except Error as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stderr.writelines(f"{complaint}\n" for complaint in complaints)
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
