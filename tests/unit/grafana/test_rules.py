"""What grafana/dashboard-linter asks for, where it applies, and what a reader of the boards can rely on.

Not applied are its rules for `job` and `instance` variables and matchers: the boards look at the ledgers, and count a figure
once however many exporters publish it.
"""

import itertools
import re
from collections import Counter

from tests.support.boards import BOARDS, HEALTH, Part, panels, queries, variables
from tests.support.complaints import each

NUMBERS = {"currencyUSD", "short", "percentunit", "s", "bytes", "none"}
SECONDS = {"s": 1, "m": 60, "h": 3600}
REFRESH_SECONDS = 15
COUNTER = re.compile(r"(\w*\()?\b(ledger_\w+_total|process_cpu_seconds_total)\b")

each_board = each(BOARDS.values(), place=lambda board: board["uid"])
each_panel = each(panels())
each_query = each(queries())


def links():
    """The links in the fields of panels."""
    return [
        Part(panel.board, f"{panel.name}-link {link.get('title')}", link)
        for panel in panels()
        for override in panel.body.get("fieldConfig", {}).get("overrides", [])
        for setting in override["properties"]
        if setting["id"] == "links"
        for link in setting["value"]
    ]


def cells(panel):
    """The places of the grid that a panel covers."""
    grid = panel["gridPos"]
    return list(itertools.product(range(grid["x"], grid["x"] + grid["w"]), range(grid["y"], grid["y"] + grid["h"])))


@each_board
def test_board_cannot_be_edited(board):
    assert board["editable"] is False


@each_board
def test_board_is_in_utc_like_the_days_it_shows(board):
    assert board["timezone"] == "utc"


@each_board
def test_board_is_refreshed_no_faster_than_the_data(board):
    offered = [board["refresh"], *board["timepicker"]["refresh_intervals"]]
    assert [text for text in offered if int(text[:-1]) * SECONDS[text[-1]] < REFRESH_SECONDS] == []


@each_board
def test_data_source_is_chosen_by_a_variable(board):
    variable = board["templating"]["list"][0]
    assert (variable["type"], variable["name"], variable["label"], variable["query"]) == (
        "datasource",
        "datasource",
        "Data source",
        "prometheus",
    )


@each_board
def test_board_has_variables_that_offer_values(board):
    assert any(variable["type"] == "query" for variable in board["templating"]["list"])


@each([variable for variable in variables() if variable.body.get("type") == "query"])
def test_variables_are_read_anew_when_the_time_range_changes(variable):
    assert variable.body["refresh"] == 2
    assert variable.body["datasource"]["uid"] == "${datasource}"
    assert re.fullmatch(r"label_values\(\w+, \w+\)", variable.body["query"]["query"])


@each([variable for variable in variables() if variable.body.get("type") != "datasource"])
def test_variables_have_labels_and_descriptions(variable):
    assert variable.body["label"]
    assert variable.body["description"]


@each_query
def test_variable_in_an_expression_is_one_the_board_has(query):
    names = {variable["name"] for variable in BOARDS[query.board]["templating"]["list"]} | {"__rate_interval", "1"}
    assert set(re.findall(r"(?<!\$)\$\{?(\w+)\}?", query.expr)) <= names


@each_board
def test_alerts_are_annotations_where_they_began(board):
    (annotation,) = board["annotations"]["list"]
    assert annotation["datasource"]["uid"] == "${datasource}"
    assert annotation["useValueForTime"]
    assert annotation["expr"].startswith("1000 * ALERTS_FOR_STATE{"), annotation["expr"]
    assert 'ALERTS{alertstate="firing"' in annotation["expr"]


@each_board
def test_alerts_follow_what_is_chosen(board):
    """Alerts that are of no quest, layer or provider are marked whatever is chosen."""
    (annotation,) = board["annotations"]["list"]
    names = {variable["name"] for variable in board["templating"]["list"]} & {"quest", "layer", "provider"}
    assert set(re.findall(r'(\w+)=~"\$\1\|"', annotation["expr"])) == names


@each_board
def test_panels_have_ids_of_their_own_and_do_not_overlap(board):
    ids = Counter(panel["id"] for panel in board["panels"])
    covered = Counter(cell for panel in board["panels"] for cell in cells(panel))
    assert [panel["title"] for panel in board["panels"] if ids[panel["id"]] > 1] == []
    assert [panel["title"] for panel in board["panels"] if any(covered[cell] > 1 for cell in cells(panel))] == []
    assert [panel["title"] for panel in board["panels"] if not all(0 <= x < 24 for x, _ in cells(panel))] == []


@each([query for query in queries() if '"board", "' in query.expr])
def test_rows_lead_to_boards_that_exist(query):
    assert set(re.findall(r'"board", "([^"]+)"', query.expr)) <= BOARDS.keys()


@each(links())
def test_links_lead_to_boards_that_exist_and_keep_data_source_and_time(link):
    url = link.body["url"]
    if url.startswith("/d/"):
        assert url.split("/")[2] in {"${__data.fields.board:percentencode}", *BOARDS}
        assert "${datasource:queryparam}" in url
        assert "${__url_time_range}" in url
    else:
        assert url.startswith("${platform_url}/")
    names = re.findall(r"\$\{(__[a-z]+\.[^}]*)\}", url)
    assert [name for name in names if not name.endswith(":percentencode")] == []


@each_panel
def test_panel_has_a_title_and_a_definition(panel):
    assert panel.body["title"]
    assert len(panel.body["description"]) > 20


@each_panel
def test_panel_says_what_is_missing_when_it_is_empty(panel):
    assert panel.body["fieldConfig"]["defaults"]["noValue"]


@each([panel for panel in panels() if "byRegexp" in str(panel.body)])
def test_overrides_by_pattern_match_a_whole_legend(panel):
    """Grafana puts ^ and $ around a pattern."""
    legends = [target.get("legendFormat", "") for target in panel.body["targets"]]
    for override in panel.body["fieldConfig"]["overrides"]:
        if override["matcher"]["id"] == "byRegexp":
            assert any(re.fullmatch(override["matcher"]["options"], legend) for legend in legends), override["matcher"]


@each([panel for panel in panels() if panel.board != HEALTH])
def test_panel_says_which_controls_it_follows(panel):
    """What a control cannot filter is not named, and where none can, the panel says so."""
    exprs = [target["expr"] for target in panel.body["targets"]]
    used = {name for expr in exprs for name in re.findall(r"\$\{?(quest|layer|provider|window)\b", expr)}
    if any(target["range"] for target in panel.body["targets"]) and "timeFrom" not in panel.body:
        used.add("time range")
    told = re.search(r"Follows: ([^.;]*)", panel.body["description"])
    if told is None:
        assert used == set()
        assert "no variable filters it" in panel.body["description"]
    else:
        assert {name.strip() for name in re.sub(r"\(.*?\)", "", told[1]).split(",")} == used


@each([panel for panel in panels() if "ledger_threshold_" in str(panel.body["targets"])])
def test_panel_that_draws_a_threshold_says_what_is_dotted(panel):
    if panel.body["type"] == "timeseries":
        assert "Dotted: " in panel.body["description"]
    else:
        assert re.search(r"Alert (at|from): ", panel.body["description"])


@each_panel
def test_panel_has_a_unit(panel):
    assert panel.body["fieldConfig"]["defaults"]["unit"] in NUMBERS


@each_panel
def test_panel_uses_the_chosen_data_source(panel):
    assert panel.body["datasource"]["uid"] == "${datasource}"


@each_query
def test_query_uses_the_chosen_data_source(query):
    assert query.target["datasource"]["uid"] == "${datasource}"


@each_panel
def test_table_cells_are_described_for_old_and_new_grafana(panel):
    for override in panel.body["fieldConfig"]["overrides"]:
        names = {setting["id"] for setting in override["properties"]}
        assert ("custom.displayMode" in names) == ("custom.cellOptions" in names), override["matcher"]


@each([panel for panel in panels() if all(target.get("instant") for target in panel.body["targets"])])
def test_panel_of_instant_queries_is_asked_for_now(panel):
    assert panel.body["maxDataPoints"] == 11_000


@each_query
def test_query_is_either_instant_or_over_time(query):
    assert query.target["instant"] != query.target["range"]


@each([query for query in queries() if re.search(r"\brate\(", query.expr)])
def test_rate_is_taken_over_the_rate_interval(query):
    ranges = re.findall(r"\brate\(\w+(?:\{[^}]*\})?\[([^]]*)\]\)", query.expr)
    assert set(ranges) <= {"$__rate_interval"}
    assert len(ranges) == len(re.findall(r"\brate\(", query.expr))


@each([query for query in queries() if COUNTER.search(query.expr)])
def test_counter_is_read_only_as_a_rate_or_an_increase(query):
    assert {function for function, _ in COUNTER.findall(query.expr)} <= {"rate(", "increase("}
