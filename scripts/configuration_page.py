"""Write `docs/configuration.md` from the configuration's own declarations, or with `--check` say whether it differs.

The tables of keys come from `exporter.config`, those of thresholds from `exporter.thresholds`, the text around them from
`configuration_page.template.md`, where a line such as `<!-- keys: waste, costly -->` stands in the place of a table.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from exporter import config, thresholds
from scripts.page import Page

TEMPLATE = Path(__file__).with_name("configuration_page.template.md")
PLACE = re.compile(r"^<!-- (keys|columns|thresholds)(?:: ([\w, ]+))? -->$", re.MULTILINE)
SECTIONS: dict[str, tuple[str, type[BaseModel]]] = {
    "sources": ("sources.NAME", config.SourceConfig),
    "ledgers": ("ledgers.LEDGER", config.Ledger),
    "providers": ("providers[]", config.ProviderPattern),
    "waste": ("waste", config.WasteConfig),
    "efficiency": ("efficiency", config.EfficiencyConfig),
    "costly": ("costly", config.CostlyConfig),
    "limits": ("limits", config.Limits),
    "refresh": ("refresh", config.RefreshConfig),
    "thresholds": ("thresholds", config.ThresholdsConfig),
    "overrides": ("thresholds.overrides", config.ThresholdOverrides),
}
"""The parts of the configuration: how their keys begin, and what declares them."""
UNITS = {"d": timedelta(days=1), "h": timedelta(hours=1), "m": timedelta(minutes=1), "s": timedelta(seconds=1)}
SHORTEST_DAYS = 2
"""24 hours are written as such; from so many days on a duration is written in days."""


def generate() -> str:
    """Return the whole page."""
    return PLACE.sub(lambda place: "\n".join(_table(place[1], place[2] or "")), TEMPLATE.read_text(encoding="utf-8"))


def _table(kind: str, sections: str) -> Iterator[str]:
    if kind == "thresholds":
        yield from ("| scope | name | levels | meaning |", "|---|---|---|---|")
        yield from map(_threshold, thresholds.CATALOGUE)
        return
    fields = [found for section in sections.split(", ") for found in _fields(section)]
    if any(_default(field) for _, field in fields):
        yield from ("| key | default | meaning |", "|---|---|---|")
        yield from (f"| `{key}` | `{_default(field)}` | {field.description} |" for key, field in fields)
    else:
        yield from ("| key | meaning |", "|---|---|")
        yield from (f"| `{key}` | {field.description} |" for key, field in fields)


def _fields(section: str) -> Iterator[tuple[str, FieldInfo]]:
    """Yield the keys of a part; a key without a description is a part of its own."""
    prefix, model = SECTIONS[section]
    yield from ((f"{prefix}.{name}", field) for name, field in model.model_fields.items() if field.description)


def _default(field: FieldInfo) -> str:
    """Return a key's default as it is written in YAML; nothing for one without, or whose default is to be empty."""
    value: Any = None if field.is_required() or field.default_factory else field.default
    if isinstance(value, timedelta):
        unit = next(unit for unit, length in UNITS.items() if value >= length * (SHORTEST_DAYS if unit == "d" else 1))
        return f"{value // UNITS[unit]}{unit}"
    return "" if value is None or isinstance(value, BaseModel) else str(value)


def _threshold(threshold: thresholds.Threshold) -> str:
    levels = ", ".join(f"{severity} `{level}`" for severity, level in threshold.defaults.items())
    return f"| {threshold.scope} | `{threshold.name}` | {levels} | {threshold.help.removesuffix('.')} |"


PAGE = Page("configuration.md", generate)

if __name__ == "__main__":
    sys.exit(PAGE.main())
