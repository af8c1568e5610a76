"""Nobody is let in without having been checked: the finding let-in-unchecked.

An application that guards something must choose what to do when Redis does not answer. Some let in, so that
an outage puts nobody out. This is what that costs: everybody whose revocation, ban or limit nobody could ask
for. It is no fault of Redis, and what could be asked again a moment later is not known; so each such request
counts.

One finding for each session, with the number of its requests.
"""

from __future__ import annotations

from collections import defaultdict

from harness.checks.facts.step_effects import nothing_seen
from harness.checks.facts.timelines import Timeline, Timelines
from harness.checks.promises.check import Check, Counted, finding, number_and_time, requests_told, unanswered
from harness.model.finding_kind import FindingKind, FindingTrait, Part
from harness.model.judgement import Finding
from harness.model.records import Operation
from harness.model.words import LET_IN_UNCHECKED, FindingSide, Outcome

LET_IN = FindingKind(
    name=LET_IN_UNCHECKED.replace(" ", "-"),
    side=FindingSide.OPEN,
    sentence="a request was let in although Redis did not say whether it may come in",
    needs=frozenset(),
    parts=frozenset({Part.PHASE, Part.WEB_SERVER, Part.SIDE, Part.SHARD}),
    traits=(FindingTrait.OF_AVAILABILITY, FindingTrait.ONE_PER_SESSION, FindingTrait.SURE_AT_THE_END),
)


def judge_unchecked(timelines: Timelines) -> Counted:
    by_session: dict[str, list[Operation]] = defaultdict(list)
    for operation in requests_told(timelines, LET_IN_UNCHECKED):
        by_session[operation.session].append(operation)
    return Counted(findings=[_finding(timelines, requests) for requests in by_session.values()])


def _finding(timelines: Timelines, requests: list[Operation]) -> Finding:
    first = requests[0]
    asked = next(one for one in reversed(first.steps) if one.outcome is not Outcome.ACKED)
    timeline = Timeline(first.session, first.user, first.shard, first.key)
    number, when = number_and_time(timelines, requests)
    return finding(
        timelines,
        LET_IN,
        timeline,
        between=requests,
        seen=nothing_seen(first, asked),
        sentence=f"{first.web_server} let in {number} of {first.user} unchecked {when}: {unanswered(asked)}.",
        observations=len(requests),
    )


CHECK = Check(
    promise="Nobody is let in without having been checked.",
    kinds=(LET_IN,),
    find=judge_unchecked,
)
