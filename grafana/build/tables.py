# ruff: noqa: FBT003, PLR0913  the SDK's builders take their booleans by position; a listing has many properties, given by name
"""Tables: one constructor, and the kinds of cells.

Cells are described twice, as `custom.displayMode` for Grafana 9 and as `custom.cellOptions` for later versions; each ignores the
other's.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from grafana_foundation_sdk.builders import common as options
from grafana_foundation_sdk.builders import dashboard, prometheus
from grafana_foundation_sdk.builders import table as tables
from grafana_foundation_sdk.models import common as choices
from grafana_foundation_sdk.models import dashboard as models

from grafana.build.common import (
    FINEST,
    NUMBER,
    TEXT,
    Property,
    Query,
    Step,
    fixed,
    house,
    rows,
    thresholds,
    transformation,
)

UNKNOWN = "–"  # noqa: RUF001  the dash typographers use


@dataclass(frozen=True)
class Column:
    """A column of a table: a label, or the value of a query (`Value #A`), under its heading."""

    field: str
    name: str
    unit: str = ""
    width: int = 0
    properties: tuple[Property, ...] = ()


def listing(
    title: str,
    description: str,
    queries: Sequence[prometheus.Dataquery],
    columns: Sequence[Column],
    *,
    key: str = "",
    inner: bool = False,
    sort: str = "",
    longest: str = "",
    empty: str = "no data",
) -> tables.Panel:
    """Rows of instant queries, put together.

    `key` is the label whose values the rows share (without it: all common labels). `inner` keeps only rows every
    query has. `sort` names the column that orders the rows, largest first. `longest` is the query whose largest value
    fills a bar, see `bar_cell`; without it a bar would be measured against the largest number of the whole table.
    """
    targets: list[Query] = list(queries)
    steps = [transformation("filterFieldsByName", exclude={"names": ["Time"]})]
    if longest:
        (expr,) = (query.build().expr for query in queries if query.build().ref_id == longest)
        targets.append(rows("max", f"max({expr})"))
        steps.append(
            transformation(
                "configFromData",
                configRefId="max",
                mappings=[{"fieldName": "Value #max", "handlerKey": "max"}],
                applyTo={"id": "byName", "options": f"Value #{longest}"},
            )
        )
    if key:
        steps.append(transformation("joinByField", byField=key, mode="inner" if inner else "outer"))
    else:
        steps.append(transformation("merge"))
    steps.append(
        transformation(
            "organize",
            excludeByName={},
            indexByName={column.field: place for place, column in enumerate(columns)},
            renameByName={column.field: column.name for column in columns},
        )
    )
    panel = (
        house(tables.Panel(), title, description, NUMBER, empty)
        .targets(targets)
        .max_data_points(FINEST)
        .transformations(steps)
        .show_header(True)
        .min_width(90)
        .cell_height(choices.TableCellHeight.SM)
        .footer(options.TableFooterOptions().show(False).reducer(["sum"]).count_rows(False))
        .color_scheme(dashboard.FieldColor().mode(models.FieldColorModeId.THRESHOLDS))
        .thresholds(thresholds([(None, TEXT)]))
    )
    if sort:
        panel.sort_by([options.TableSortByFieldState().display_name(sort).desc(True)])
    for column in columns:
        properties = [Property(id_val="noValue", value=UNKNOWN), *column.properties]
        if column.unit:
            properties.append(Property(id_val="unit", value=column.unit))
        if column.width:
            properties.append(Property(id_val="custom.width", value=column.width))
        panel.override_by_name(column.name, properties)
    return panel


def cell(kind: str, mode: str = "", legacy: str = "") -> tuple[Property, ...]:
    """How a table cell is drawn: `kind` and `mode` for Grafana 10 and later, `legacy` is 9.x's one word for both."""
    cell_options = {"type": kind, "mode": mode} if mode else {"type": kind}
    return (
        Property(id_val="custom.displayMode", value=legacy or kind),
        Property(id_val="custom.cellOptions", value=cell_options),
    )


def badge(colours: dict[str, str]) -> tuple[Property, ...]:
    """A coloured field for each known value."""
    return (*cell("color-background", "basic", legacy="color-background-solid"), *_mapped(colours))


def coloured_text(colours: dict[str, str]) -> tuple[Property, ...]:
    """The text itself in the colour of its value."""
    return (*cell("color-text"), *_mapped(colours))


def bar_cell(colour: str) -> tuple[Property, ...]:
    """A bar as long as the value is large among its column."""
    return (
        *cell("gauge", "basic", legacy="basic"),
        fixed(colour),
        Property(id_val="min", value=0),
    )


def gauge_cell(steps: Sequence[Step], maximum: float) -> tuple[Property, ...]:
    """A bar from 0 to `maximum`, coloured by the step its value reached."""
    return (
        *cell("gauge", "basic", legacy="basic"),
        Property(id_val="min", value=0),
        Property(id_val="max", value=maximum),
        Property(id_val="thresholds", value={"mode": "absolute", "steps": _steps(steps)}),
        Property(id_val="color", value={"mode": "thresholds"}),
    )


def warned(steps: Sequence[Step]) -> tuple[Property, ...]:
    """The number in the colour of the step it reached."""
    return (
        *cell("color-text"),
        Property(id_val="thresholds", value={"mode": "absolute", "steps": _steps(steps)}),
        Property(id_val="color", value={"mode": "thresholds"}),
    )


# Names and titles can be read on a phone, too.
NAME = (Property(id_val="custom.minWidth", value=130),)
WIDE = (Property(id_val="custom.minWidth", value=180),)
HIDDEN = (Property(id_val="custom.hidden", value=True),)


def _mapped(colours: dict[str, str]) -> tuple[Property, ...]:
    mapping = {
        "type": "value",
        "options": {
            value: {"color": colour, "text": value, "index": place}
            for place, (value, colour) in enumerate(colours.items())
        },
    }
    return (Property(id_val="mappings", value=[mapping]),)


def _steps(steps: Iterable[Step]) -> list[dict[str, Any]]:
    return [{"value": value, "color": colour} for value, colour in steps]
