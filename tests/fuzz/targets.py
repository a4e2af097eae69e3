"""What takes bytes, each with inputs to begin with: examples of the documentation, and requests as they usually are."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import yaml

from exporter.config import REFERENCE
from tests.fuzz import configuration, web

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Target:
    """What is called with each input, and inputs from which others are made."""

    call: Callable[[bytes], None]
    seeds: list[bytes]


def examples(language: str) -> list[str]:
    """Return the examples in the documentation's pages whose blocks are marked so."""
    block = re.compile(rf"^```{language}\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    return [example for page in sorted((ROOT / "docs").rglob("*.md")) for example in block.findall(page.read_text())]


def reference() -> str:
    """Return the reference configuration without its comments."""
    return yaml.safe_dump(yaml.safe_load(REFERENCE.read_text()), sort_keys=False)


TARGETS = {
    "requests": Target(web.requests, web.SEEDS),
    "web-configuration": Target(web.configuration, [example.encode("ascii") for example in examples("yml")]),
    "configuration": Target(
        configuration.configuration, [configuration.seed(example) for example in (*examples("yaml"), reference())]
    ),
}
