"""The habits of every query: a fixed window, each series once however many exporters run, whole sums.

Metric and label names are written out in the views, so that a search for a metric finds every panel that draws it.
"""

QUEST = 'quest=~"$quest"'
LAYER = 'layer=~"$layer"'
PROVIDER = 'provider=~"$provider"'
WINDOW = 'window="$window"'
TODAY = 'window="today"'
WEEK = 'window="7d"'
MONTH = 'window="30d"'
SETTLED = 'reason!="pending"'

DAY_SECONDS = 86400


def once(metric: str, *matchers: str, at_end: bool = False) -> str:
    """The series of `metric`, each once: of two exporters side by side the larger value counts.

    With `at_end` it is the value at the end of the time range, the same for all steps of a range query.
    """
    selector = f"{metric}{{{', '.join(matchers)}}}" if matchers else metric
    return f"max without (instance, pod) ({selector}{' @ end()' if at_end else ''})"


def total(metric: str, *matchers: str) -> str:
    """The sum over all series of `metric`, without labels."""
    return f"sum({once(metric, *matchers)})"


def known_zero(ledger: str) -> str:
    """0 where a ledger can be read now and has been read whole: what it has no series of, it has none of.

    Absent while it is down, and while its first load lasts: then nothing is known of what has no series.
    """
    own = f'ledger="{ledger}"'
    up = f"max({once('ledger_up', own)}) == 1"
    loading = f"min({once('ledger_first_load_progress_ratio', own)}) < 1"
    return f"(0 * ({up}) unless on () ({loading}))"


def total_or_zero(ledger: str, metric: str, *matchers: str) -> str:
    """The sum over all series of a ledger's metric, 0 where it is known that there are none."""
    return f"({total(metric, *matchers)} or {known_zero(ledger)})"


def by(labels: str, metric: str, *matchers: str, at_end: bool = False) -> str:
    """The sum of `metric` per `labels` ("quest" or "quest, layer"), with no other label left."""
    return f"sum by ({labels}) ({once(metric, *matchers, at_end=at_end)})"


def latest(labels: str, metric: str) -> str:
    """The sum of `metric` per `labels`, as of now even in a query that is asked for an instant up to 5 minutes ago.

    Grafana 9 does that in a panel that shows 30 days: it rounds down to its smallest step. In the 5 minutes to come after
    that instant the newest value is today's; later versions ask for now, where nothing is to come.
    """
    to_come = f"max without (instance, pod) ({metric} offset -5m)"
    return f"sum by ({labels}) ({to_come} or {once(metric)})"


def rate(labels: str, counter: str, *matchers: str) -> str:
    """Growth of `counter` a second, per `labels`. Each exporter counts for itself, so the rate comes before the max."""
    per_series = f"rate({counter}{{{', '.join(matchers)}}}[$__rate_interval])"
    return f"sum by ({labels}) (max without (instance, pod) ({per_series}))"


def last_hour(labels: str, counter: str, *matchers: str) -> str:
    """Growth of `counter` in the hour before each instant, per `labels`; what alerts on pace compare."""
    per_series = f"increase({counter}{{{', '.join(matchers)}}}[1h])"
    return f"sum by ({labels}) (max without (instance, pod) ({per_series}))"


def ratio(part: str, whole: str) -> str:
    """`part` over `whole`, absent where the whole is not above 0."""
    return f"{part} / ({whole} > 0)"


def top(count: int, values: str) -> str:
    """The `count` largest values.

    For instant queries, or over values `at_end`: else the members of a range query would change from step to step.
    """
    return f"topk({count}, {values})"


def fold(label: str, values: str, largest: str) -> str:
    """`values` of the series in `largest`, and the sum of all others as one series whose `label` is "Other".

    `values` and `largest` carry `label` and nothing else. What the exporter itself folded into `other` must not be
    among `largest`; it is then part of "Other", and the shares add up to the whole.
    """
    others = f"sum({values} unless on ({label}) {largest})"
    return f'({values} and on ({label}) {largest}) or label_replace({others}, "{label}", "Other", "", "")'


def newest_snapshot() -> str:
    """The instant all figures are judged at, in Unix seconds."""
    return f"max({once('ledger_snapshot_timestamp_seconds')})"


def day_elapsed_ratio() -> str:
    """How much of the UTC day is gone at the snapshot; absent in its first hour, when a projection would be noise."""
    return f"({newest_snapshot()} % {DAY_SECONDS} / {DAY_SECONDS} > 1 / 24)"


def projected(spend_today: str) -> str:
    """What `spend_today` becomes by the end of the UTC day if the rest of the day costs as much a second as so far."""
    return f"{spend_today} / {day_elapsed_ratio()}"


def of_this_day(values: str) -> str:
    """`values` without the steps just after midnight whose snapshot still is of the day before."""
    return f"{values} unless on () ({newest_snapshot()} < time() - time() % {DAY_SECONDS})"


def per_day(labels: str, metric: str, *matchers: str) -> str:
    """What `metric` stood at when each UTC day ended, at the day's 00:00; for steps of a day.

    The metric's `today` window is looked at from 00:05 on: until a refresh and a scrape later it is the day before.
    """
    selector = f"{metric}{{{', '.join((*matchers, TODAY))}}}"
    return f"sum by ({labels}) (max without (instance, pod) (max_over_time({selector}[23h55m] offset -1d)))"


def agreed(values: str) -> str:
    """The one value all series of `values` have, without labels; absent where they differ."""
    return f"max({values}) == min({values})"


def differing(values: str) -> str:
    """All series of `values`; absent where they have one value in common, which is then `agreed`."""
    return f"{values} unless on () ({agreed(values)})"


def each_window(labels: str, metric: str, *matchers: str) -> str:
    """The sum of `metric` for each window, in their natural order, with the label `window` (and `labels`) left."""
    windows = ("today", "yesterday", "7d", "30d", "all")
    return " or ".join(by(labels, metric, *matchers, f'window="{window}"') for window in windows)
