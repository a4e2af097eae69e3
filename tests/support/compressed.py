"""The repository's rules and Alertmanager's routes with time compressed, so that incidents of hours pass in seconds.

Nothing else is changed: the files are the real ones, and only the durations in them are replaced, each by a rule stated here.

- What a rate or an offset looks back on becomes the seconds in `LOOKS_BACK`, so that five minutes still hold several scrapes
  and an hour is still longer than five minutes. A week stays a week: the platform is in its first.
- `for` and `keep_firing_for` become a 600th, at least 2 seconds.
- Alertmanager's waits become the seconds in `WAITS`.

Figures are not compressed: a budget is still a day's, and dollars a second are what they are.
"""

from __future__ import annotations

import re
from pathlib import Path

from tests.support.rules import seconds

LOOKS_BACK = {"5m": "5s", "30m": "10s", "1h": "20s", "2h": "30s", "6h": "60s", "1d": "15s", "7d": "7d"}
WAITS = {"group_wait": "3s", "group_interval": "1s", "repeat_interval": "1h"}


def rules(text: str) -> str:
    """A rule file with its durations compressed."""
    text = re.sub(r"\[(\w+)\]", lambda found: f"[{LOOKS_BACK[found[1]]}]", text)
    text = re.sub(r"\boffset (\w+)", lambda found: f"offset {LOOKS_BACK[found[1]]}", text)
    return re.sub(
        r"^( +(?:for|keep_firing_for)): (\w+)$",
        lambda found: f"{found[1]}: {max(2, seconds(found[2]) // 600)}s",
        text,
        flags=re.MULTILINE,
    )


def routes(text: str, webhook: str) -> str:
    """An Alertmanager configuration with its waits compressed, each receiver a path below a webhook."""
    text = re.sub(
        r"^( +)(group_wait|group_interval|repeat_interval): \w+$",
        lambda found: f"{found[1]}{found[2]}: {WAITS[found[2]]}",
        text,
        flags=re.MULTILINE,
    )
    return re.sub(
        r"^  - name: ([\w-]+)$",
        lambda found: f'{found[0]}\n    webhook_configs: [{{url: "{webhook}/{found[1]}", send_resolved: true}}]',
        text,
        flags=re.MULTILINE,
    )


def compress(home: Path, webhook: str) -> None:
    """Compress a copy of the repository's folder `prometheus` in place; Prometheus scrapes and evaluates every second."""
    for file in (home / "rules").glob("*.yml"):
        file.write_text(rules(file.read_text()))
    alertmanager = home / "alertmanager.yml"
    alertmanager.write_text(routes(alertmanager.read_text(), webhook))
    prometheus = home / "prometheus.yml"
    prometheus.write_text(prometheus.read_text().replace("15s", "1s"))
