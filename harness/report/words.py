"""Numbers and names as a person would say them; used by every form of the report."""

from __future__ import annotations

import math
import re

from harness.model.judgement import Interval, Judgement, LossBudget, Metrics, governing, percent
from harness.model.measures import SURVIVING_WRITE
from harness.model.results import ScenarioResult
from harness.model.words import Shows, Verdict

_PROMISE_WORDS = {Verdict.PASS: "kept", Verdict.FAIL: "BROKEN"}
_WEAKNESS_WORDS = {Verdict.PASS: "shown", Verdict.FAIL: "NOT SHOWN"}


def verdict_word(result: ScenarioResult) -> str:
    """`kept` or `BROKEN` for promises, `shown` or `NOT SHOWN` for weaknesses; else the verdict.

    A weakness that was seen but brought findings that nobody expected is BROKEN, not NOT SHOWN.
    """
    if result.shows is Shows.WEAKNESS:
        if result.verdict is Verdict.FAIL and _was_seen(result.judgement):
            return "BROKEN"
        words = _WEAKNESS_WORDS
    else:
        words = _PROMISE_WORDS
    return words.get(result.verdict, result.verdict.lower())


def _was_seen(judgement: Judgement | None) -> bool:
    return judgement is not None and all(one.met is not False for one in judgement.expectations)


def first_line(result: ScenarioResult) -> str:
    """The deciding reason without what it quotes (a node's log, a program's output)."""
    lines = result.reasons[0].splitlines() if result.reasons else []
    return lines[0].rstrip() if lines else ""


def seconds(value: float) -> str:
    if math.isinf(value):
        return "no end"
    if value < 0.0005:
        return "0 s"
    if value < 1:
        return f"{value * 1000:.0f} ms"
    return f"{value:.1f} s" if value < 100 else f"{value:.0f} s"


STILL_FAILING = "still failing at the end of the run"
MORE_NOT_KNOWN = "more is not known"


def interval_seconds(interval: Interval, endless: str = STILL_FAILING) -> str:
    if math.isinf(interval.high):
        return f"≥ {seconds(interval.low)}, {endless}"
    low, high = seconds(interval.low), seconds(interval.high)
    return low if low == high else f"{low} to {high}"


def bytes_of(value: int | None) -> str:
    if value is None:
        return "–"
    if value < 1024:
        return f"{value} B"
    if value < 1024 * 1024:
        return f"{value / 1024:.1f} KiB"
    return f"{value / 1024 / 1024:.1f} MiB"


_UNITS = r"%|ms|µs|us|s|min|h|[kMG]B|[KMG]iB|B"
_WHOLE = re.compile(
    rf"\([^()]{{1,24}}\)|\[[^\[\]]{{1,24}}\]"  # a range in parentheses or brackets
    rf"|(?:[≥≤<>] )?\d[\d.,]*(?: of \d[\d,]*| (?:{_UNITS})(?![\w]))?"
)


def unbroken(text: str) -> str:
    """For a narrow page: no line ends between a number and its unit, or within a range."""
    return _WHOLE.sub(lambda found: found[0].replace(" ", "\u00a0"), text)


def count_of(value: int | None) -> str:
    return "–" if value is None else f"{value:,}"


def after(t_s: float) -> str:
    """A moment, counted from the fault: `+1.52 s`; what began with it is never `-0.00 s`."""
    return f"{t_s:+z.2f} s"


def logged_out(judgement: Judgement) -> str:
    """`10 of 300 (3 %)`; with sessions that cannot be decided `10 to 24 of 300`, or `not known`."""
    sessions = judgement.metrics.sessions
    most = logged_out_at_most(judgement.metrics)
    if not sessions.total:
        return "–"
    if most is None:
        share = percent(sessions.logged_out, sessions.total)
        return (
            f"≥ {sessions.logged_out} of {sessions.total} ({share})" if sessions.logged_out else "not known"
        )
    if most > sessions.logged_out:
        some = f"{sessions.logged_out} to {most}" if sessions.logged_out else f"not known: at most {most}"
        return f"{some} of {sessions.total}"
    share = f" ({percent(most, sessions.total)})" if most else ""
    return f"{most} of {sessions.total}{share}"


def logged_out_at_most(metrics: Metrics) -> int | None:
    """With those that the evidence leaves open; None: nobody knows how many there may be."""
    if metrics.sessions_unknown:
        return None
    return metrics.sessions.logged_out + metrics.sessions.maybe_logged_out


def got_back_in(judgement: Judgement) -> str:
    sessions = judgement.metrics.sessions
    sure = logged_out_at_most(judgement.metrics) == sessions.logged_out
    if not sessions.logged_out:
        return "–" if sure else "not known"
    return f"{sessions.got_back_in} of {'' if sure else '≥ '}{sessions.logged_out}"


def logouts_failed(judgement: Judgement) -> str:
    """Users who asked for a logout and were never told that it was done."""
    return str(judgement.metrics.logouts_failed)


def longest_outage(judgement: Judgement) -> str:
    """`write on web-2: 1.9 s to 2.1 s`: of the kind of operation and the web server that fared worst."""
    window = judgement.metrics.worst_outage
    if window is None:
        return "none seen"
    return f"{window.kind} on {window.group}: {interval_seconds(window.duration_s)}"


def endless(kind: str, metrics: Metrics) -> str:
    """Why a time has no upper end: that nobody could look which writes survived is no failure of theirs."""
    return MORE_NOT_KNOWN if kind == SURVIVING_WRITE and metrics.losses_unknown else STILL_FAILING


def survival_is_known(metrics: Metrics) -> bool:
    """False: such a run has no evidence of it (no witnesses), so no time is said and no blank is shown."""
    return metrics.without_survivor is not None or not metrics.losses_unknown


def without_survivor(judgement: Judgement) -> str:
    """`web-2: 11.2 s to 11.3 s`: the web server that went longest without a write that survived."""
    window, unknown = judgement.metrics.without_survivor, judgement.metrics.losses_unknown
    if window is None or window.duration_s.low <= 0:
        return "not known" if unknown or window is not None else "none seen"
    low = seconds(window.duration_s.low)
    if unknown:
        return f"{window.group}: ≥ {low}, {MORE_NOT_KNOWN}"
    if math.isinf(window.duration_s.high):
        return f"{window.group}: ≥ {low}, until the end of the run"
    return f"{window.group}: {interval_seconds(window.duration_s)}"


def machine(metrics: Metrics) -> str:
    """How late this machine was, as far as it matters."""
    if not metrics.lateness_known:
        return "its delays were not recorded"
    return metrics.starved or "fast enough for the expected times"


def loss(metrics: Metrics) -> str:
    """`writes lost over 3.2 s (budget 4.8 s = 1.5 × cluster-node-timeout 3 s + 0.3 s; typically 3.8 s)`;
    empty where no fault took effect."""
    budget = governing(metrics.loss_budgets)
    if budget is None:
        return ""
    unknown = f": {metrics.losses_unknown}" if metrics.losses_unknown else ""
    return f"{lost_over(metrics)}{unknown} ({budget_text(budget)})"


def loss_in_short(metrics: Metrics) -> str:
    """`writes lost over 3.2 s, budget 4.8 s`; empty where nothing was lost or nothing bounds it."""
    budget = governing(metrics.loss_budgets)
    if metrics.loss_window_s is None or budget is None or budget.window_s is None:
        return ""
    return f"{lost_over(metrics)}, budget {seconds(budget.window_s)}"


def lost_over(metrics: Metrics) -> str:
    window, unknown = metrics.loss_window_s, metrics.losses_unknown
    if window is None:
        return "it is not known whether acked writes were lost" if unknown else "no acked write lost"
    if unknown:
        return f"writes lost over {seconds(window.low)} or more"
    if window.low <= 0 and metrics.lost_before_s > 0:
        return f"writes lost that were acked up to {seconds(metrics.lost_before_s)} before the fault"
    low, high = seconds(window.low), seconds(window.high)
    return f"writes lost over {low if low == high else f'{low} to {high}'}"


def budget_text(one: LossBudget) -> str:
    """A budget with its derivation, in the terms of a loss window: from the first fault's effect."""
    if one.bound_s is None or one.window_s is None:
        return f"no loss budget: {one.derivation}"
    if not one.bound_s:
        return f"budget 0 s: {one.derivation}"
    if one.window_s > one.bound_s:  # a later fault than the first
        text = (
            f"budget {seconds(one.window_s)}: {one.what} {seconds(one.effect_s)} after the first effect "
            f"may cost {seconds(one.bound_s)} = {one.derivation}"
        )
    else:
        text = f"budget {seconds(one.bound_s)} = {one.derivation}"
    usual = "" if one.typical_s is None else f"; typically {seconds(one.effect_s + one.typical_s)}"
    return text + usual
