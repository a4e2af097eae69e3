"""What grafana/dashboard-linter asks for, where it applies, and what a reader of the boards can rely on.

Not applied are its rules for `job` and `instance` variables and matchers: the boards look at the ledgers, and count a figure
once however many exporters publish it.
"""

import itertools
import re

import pytest

from tests.support.boards import BOARDS, panels, queries

NUMBERS = {"currencyUSD", "short", "percentunit", "s", "bytes", "none"}
SECONDS = {"s": 1, "m": 60, "h": 3600}
REFRESH_SECONDS = 15

boards = pytest.mark.parametrize("board", list(BOARDS.values()), ids=list(BOARDS))
each_panel = pytest.mark.parametrize(
    "panel", [panel for _, panel in panels()], ids=[f"{uid}-{panel['title']}" for uid, panel in panels()]
)
each_ledger_panel = pytest.mark.parametrize(
    "panel",
    [panel for uid, panel in panels() if uid != "ledger-exporter-health"],
    ids=[f"{uid}-{panel['title']}" for uid, panel in panels() if uid != "ledger-exporter-health"],
)
each_query = pytest.mark.parametrize("query", list(queries()), ids=str)


@boards
def test_board_cannot_be_edited(board):
    assert board["editable"] is False


@boards
def test_board_is_in_utc_like_the_days_it_shows(board):
    assert board["timezone"] == "utc"


@boards
def test_board_is_refreshed_no_faster_than_the_data(board):
    offered = [board["refresh"], *board["timepicker"]["refresh_intervals"]]
    assert all(int(text[:-1]) * SECONDS[text[-1]] >= REFRESH_SECONDS for text in offered)


@boards
def test_data_source_is_chosen_by_a_variable(board):
    variable = board["templating"]["list"][0]
    assert (variable["type"], variable["name"], variable["label"], variable["query"]) == (
        "datasource",
        "datasource",
        "Data source",
        "prometheus",
    )


@boards
def test_variables_are_read_anew_when_the_time_range_changes(board):
    asked = [variable for variable in board["templating"]["list"] if variable["type"] == "query"]
    assert asked
    assert all(variable["refresh"] == 2 for variable in asked)
    assert all(variable["datasource"]["uid"] == "${datasource}" for variable in asked)
    assert all(re.fullmatch(r"label_values\(\w+, \w+\)", variable["query"]["query"]) for variable in asked)


@boards
def test_variables_have_labels_and_descriptions(board):
    own = [variable for variable in board["templating"]["list"] if variable["type"] != "datasource"]
    assert all(variable["label"] and variable["description"] for variable in own)


@boards
def test_variable_in_an_expression_is_one_the_board_has(board):
    names = {variable["name"] for variable in board["templating"]["list"]} | {"__rate_interval", "1"}
    used = {
        name
        for panel in board["panels"]
        for target in panel.get("targets", [])
        for name in re.findall(r"(?<!\$)\$\{?(\w+)\}?", target["expr"])
    }
    assert used <= names


@boards
def test_alerts_are_annotations_where_they_began(board):
    (annotation,) = board["annotations"]["list"]
    assert annotation["datasource"]["uid"] == "${datasource}"
    assert annotation["useValueForTime"]
    assert annotation["expr"].startswith("1000 * ALERTS_FOR_STATE{")
    assert 'ALERTS{alertstate="firing"' in annotation["expr"]


@boards
def test_alerts_follow_what_is_chosen(board):
    """Alerts that are of no quest, layer or provider are marked whatever is chosen."""
    (annotation,) = board["annotations"]["list"]
    names = {variable["name"] for variable in board["templating"]["list"]} & {"quest", "layer", "provider"}
    assert set(re.findall(r'(\w+)=~"\$\1\|"', annotation["expr"])) == names


@boards
def test_panels_have_ids_of_their_own_and_do_not_overlap(board):
    ids = [panel["id"] for panel in board["panels"]]
    cells = [
        (x, y)
        for grid in (panel["gridPos"] for panel in board["panels"])
        for x, y in itertools.product(range(grid["x"], grid["x"] + grid["w"]), range(grid["y"], grid["y"] + grid["h"]))
    ]
    assert len(ids) == len(set(ids))
    assert len(cells) == len(set(cells))
    assert all(0 <= x < 24 for x, _ in cells)


@boards
def test_links_lead_to_boards_that_exist_and_keep_data_source_and_time(board):
    exprs = [target["expr"] for panel in board["panels"] for target in panel.get("targets", [])]
    told_by_rows = {uid for expr in exprs for uid in re.findall(r'"board", "([^"]+)"', expr)}
    assert told_by_rows <= BOARDS.keys()
    urls = [
        link["url"]
        for panel in board["panels"]
        for override in panel.get("fieldConfig", {}).get("overrides", [])
        for setting in override["properties"]
        if setting["id"] == "links"
        for link in setting["value"]
    ]
    for url in urls:
        if url.startswith("/d/"):
            assert url.split("/")[2] in {"${__data.fields.board:percentencode}", *BOARDS}
            assert "${datasource:queryparam}" in url
            assert "${__url_time_range}" in url
        else:
            assert url.startswith("${platform_url}/")
        assert all(name.endswith(":percentencode") for name in re.findall(r"\$\{(__[a-z]+\.[^}]*)\}", url))


@each_panel
def test_panel_has_a_title_and_a_definition(panel):
    assert panel["title"]
    assert len(panel["description"]) > 20


@each_panel
def test_panel_says_what_is_missing_when_it_is_empty(panel):
    assert panel["fieldConfig"]["defaults"]["noValue"]


@each_panel
def test_overrides_by_pattern_match_a_whole_legend(panel):
    """Grafana puts ^ and $ around a pattern."""
    legends = [target.get("legendFormat", "") for target in panel["targets"]]
    for override in panel["fieldConfig"]["overrides"]:
        if override["matcher"]["id"] == "byRegexp":
            assert any(re.fullmatch(override["matcher"]["options"], legend) for legend in legends)


@each_ledger_panel
def test_panel_says_which_controls_it_follows(panel):
    """What a control cannot filter is not named, and where none can, the panel says so."""
    exprs = [target["expr"] for target in panel["targets"]]
    used = {name for expr in exprs for name in re.findall(r"\$\{?(quest|layer|provider|window)\b", expr)}
    if any(target["range"] for target in panel["targets"]) and "timeFrom" not in panel:
        used.add("time range")
    told = re.search(r"Follows: ([^.;]*)", panel["description"])
    if told is None:
        assert used == set()
        assert "no variable filters it" in panel["description"]
    else:
        assert {name.strip() for name in re.sub(r"\(.*?\)", "", told[1]).split(",")} == used


@each_panel
def test_panel_that_draws_a_threshold_says_what_is_dotted(panel):
    draws = any("ledger_threshold_" in target["expr"] for target in panel["targets"])
    if draws and panel["type"] == "timeseries":
        assert "Dotted: " in panel["description"]
    elif draws:
        assert re.search(r"Alert (at|from): ", panel["description"])


@each_panel
def test_panel_has_a_unit(panel):
    assert panel["fieldConfig"]["defaults"]["unit"] in NUMBERS


@each_panel
def test_panel_uses_the_chosen_data_source(panel):
    assert panel["datasource"]["uid"] == "${datasource}"
    assert all(target["datasource"]["uid"] == "${datasource}" for target in panel["targets"])


@each_panel
def test_table_cells_are_described_for_old_and_new_grafana(panel):
    for override in panel["fieldConfig"]["overrides"]:
        names = {setting["id"] for setting in override["properties"]}
        assert ("custom.displayMode" in names) == ("custom.cellOptions" in names)


@each_panel
def test_panel_of_instant_queries_is_asked_for_now(panel):
    if all(target["instant"] for target in panel["targets"]):
        assert panel["maxDataPoints"] == 11_000


@each_query
def test_query_is_either_instant_or_over_time(query):
    assert query.target["instant"] != query.target["range"]


@each_query
def test_rate_is_taken_over_the_rate_interval(query):
    ranges = re.findall(r"\brate\(\w+(?:\{[^}]*\})?\[([^]]*)\]\)", query.expr)
    assert set(ranges) <= {"$__rate_interval"}
    assert len(ranges) == len(re.findall(r"\brate\(", query.expr))


@each_query
def test_counter_is_read_only_as_a_rate_or_an_increase(query):
    counters = re.findall(r"(\w*\()?\b(ledger_\w+_total|process_cpu_seconds_total)\b", query.expr)
    assert all(function in {"rate(", "increase("} for function, _ in counters)
