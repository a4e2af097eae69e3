"""Resource Dashboard: where the platform's resources go, in one page."""

from typing import Any

from grafana.build import allocation, controls, efficiency, providers, summary, utilization, waste

UID = "ledger-resources"


def build() -> dict[str, Any]:
    """The whole board as JSON."""
    return controls.board(
        UID,
        "Resource Dashboard",
        "Where the research platform's money goes: budget by quest, impact per dollar, spend day by day, providers, waste.",
        [controls.quests(), controls.layers(), controls.providers(), controls.window("7d"), controls.platform_url()],
        [
            ("", summary.panels()),
            ("Allocation", allocation.panels()),
            ("Efficiency", efficiency.panels()),
            ("Utilization", utilization.panels()),
            ("Providers", providers.panels()),
            ("Waste", waste.panels()),
        ],
        time_from="now-24h",
    )
