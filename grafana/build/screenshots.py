"""Take pictures of the dashboards with headless Chromium: `GRAFANA_URL=... python -m grafana.build.screenshots`.

Takes the pictures of the documentation, or with `--every` all boards at all widths, dark and light, to look them through. Needs the
playwright package and a Chromium (`--chromium`, by default the first on the PATH). A picture holds the whole board, however long, and
nothing of Grafana around it. Exit codes: 0 taken, 1 a panel shows an error, 2 Grafana or Chromium cannot be reached.
"""

import argparse
import itertools
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic
from urllib.parse import urlencode

from playwright.sync_api import Browser, Error, FloatRect, Page, Request, Response, sync_playwright

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
LOADING = '.panel-loading, [aria-label="Panel loading bar"]'
MARGIN = 16
QUIET_MS = 1_000
POLL_MS = 100
PATIENCE_MS = 60_000


@dataclass(frozen=True)
class Shot:
    """One picture: its file, which board, with which variables, dark or light, how wide, how much of its height, since when."""

    file_name: str
    uid: str
    variables: dict[str, str]
    theme: str = "dark"
    width: int = 1280
    height: int | None = None
    since: str = ""

    def url(self, grafana: str) -> str:
        """Its address, without Grafana's own menus."""
        query = {"orgId": "1", "theme": self.theme} | {f"var-{name}": text for name, text in self.variables.items()}
        if self.since:
            query |= {"from": self.since, "to": "now"}
        return f"{grafana.rstrip('/')}/d/{self.uid}/?{urlencode(query)}&kiosk"


# Of the demo, whose quests and incidents these are.
DOCUMENTED = (
    Shot("resources.png", resources.UID, {}, height=1800),
    Shot("quest.png", quest.UID, {"quest": "De Novo Enzyme Design"}, height=930),
    Shot("provider.png", provider.UID, {"provider": "Bedrock"}),
    Shot("health.png", health.UID, {}, height=815),
)


class Questions:
    """What a page asks Grafana while it loads. Panels that come into view ask when they do."""

    def __init__(self, page: Page) -> None:
        self.refused: list[str] = []
        self._page = page
        self._open: set[Request] = set()
        page.on("request", self._begin)
        page.on("requestfailed", self._end)
        page.on("requestfinished", self._end)
        page.on("response", self._judge)

    def wait_until_answered(self) -> None:
        """Return when nothing has been asked, and no panel waited, for a while. Raises Error when that takes too long."""
        deadline = monotonic() + PATIENCE_MS / 1000
        quiet_ms = 0
        while quiet_ms < QUIET_MS:
            self._page.wait_for_timeout(POLL_MS)
            waiting = self._open or self._page.query_selector(LOADING)
            quiet_ms = 0 if waiting else quiet_ms + POLL_MS
            if monotonic() > deadline:
                raise Error(f"{self._page.url} was not complete in time")

    def _begin(self, question: Request) -> None:
        self._open.add(question)

    def _end(self, question: Request) -> None:
        self._open.discard(question)

    def _judge(self, answer: Response) -> None:
        if "/api/ds/query" in answer.url and not answer.ok:
            self.refused.append(f"a query was answered with HTTP status {answer.status}")


def take(browser: Browser, grafana: str, shot: Shot, folder: Path) -> list[str]:
    """Take one picture and return what its panels complain about."""
    page = browser.new_page(viewport={"width": shot.width, "height": 1000})
    questions = Questions(page)
    try:
        page.goto(shot.url(grafana), timeout=PATIENCE_MS)
        page.wait_for_selector(".react-grid-layout", timeout=PATIENCE_MS)
        questions.wait_until_answered()
        below = _show_all(page, shot.width)
        questions.wait_until_answered()
        clip: FloatRect = {"x": 0, "y": 0, "width": shot.width, "height": shot.height or below}
        page.screenshot(path=folder / shot.file_name, clip=clip)
        return [f"{shot.file_name}: {text}" for text in (*_complaints(page), *questions.refused)]
    finally:
        page.close()


def _show_all(page: Page, width: int) -> int:
    """Make the window as tall as the board, so that every panel is drawn; return its height."""
    below: int = page.evaluate(
        "() => Math.max(...[...document.querySelectorAll('.react-grid-item')].map(panel =>"
        " Math.ceil(panel.getBoundingClientRect().bottom + window.scrollY)))"
    )
    page.set_viewport_size({"width": width, "height": below + MARGIN})
    return below + MARGIN


def _complaints(page: Page) -> Iterator[str]:
    for error in page.query_selector_all(ERRORS):
        yield error.evaluate(
            "e => (e.closest('section, .panel-container')?.querySelector('h2, h6')?.textContent || 'a panel') + ' shows an error'"
        )


def _every(options: argparse.Namespace) -> Iterator[Shot]:
    variables = dict(pair.split("=", 1) for pair in options.variable)
    chosen = itertools.product(options.board or BOARDS, options.width or WIDTHS, options.theme or THEMES)
    for uid, width, theme in chosen:
        yield Shot(f"{uid}-{width}-{theme}.png", uid, variables, theme, width)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m grafana.build.screenshots", description="Take pictures of the dashboards."
    )
    parser.add_argument(
        "--grafana-url",
        default=os.environ.get("GRAFANA_URL", "http://127.0.0.1:3000"),
        help="a Grafana that serves these dashboards to anonymous viewers (default: $GRAFANA_URL; now %(default)s)",
    )
    parser.add_argument("--output", type=Path, default=IMAGES, help="folder of the pictures")
    parser.add_argument("--every", action="store_true", help="every board at every width, dark and light")
    parser.add_argument("--board", action="append", choices=BOARDS, help="with --every: only this one (repeatable)")
    parser.add_argument("--width", action="append", type=int, help="with --every: in pixels (repeatable)")
    parser.add_argument("--theme", action="append", choices=THEMES, help="with --every: only this one (repeatable)")
    parser.add_argument(
        "--variable", action="append", default=[], metavar="NAME=VALUE", help="with --every: of the boards (repeatable)"
    )
    parser.add_argument(
        "--since", default="", metavar="now-1h", help="begin of the time range (by default each board's own)"
    )
    parser.add_argument("--chromium", default=shutil.which("chromium") or shutil.which("google-chrome"))
    options = parser.parse_args(arguments)
    options.output.mkdir(parents=True, exist_ok=True)
    complaints: list[str] = []
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=options.chromium, args=list(QUIET))
            for shot in _every(options) if options.every else DOCUMENTED:
                complaints += take(browser, options.grafana_url, replace(shot, since=options.since), options.output)
    except Error as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stderr.writelines(f"{complaint}\n" for complaint in complaints)
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
