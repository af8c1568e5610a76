"""`junit.xml`: FAIL is a failure, INCONCLUSIVE and a failed environment are errors, SKIPPED is skipped.

The text of a failure is what the terminal shows, so that a CI page is enough.
"""

from __future__ import annotations

from datetime import UTC, datetime
from xml.etree import ElementTree as ET

from harness.model.results import ScenarioResult, SuiteResult
from harness.model.words import Verdict
from harness.report.explain import explain, headline
from harness.visible import one_line, visible


def junit(suite: SuiteResult) -> str:
    verdicts = [one.verdict for one in suite.results]
    started = datetime.fromtimestamp(suite.started_wall_us / 1e6, tz=UTC)
    root = ET.Element(
        "testsuite",
        name=one_line(f"failover-kit {suite.suite}"),
        tests=str(len(verdicts) + bool(suite.incomplete)),
        failures=str(verdicts.count(Verdict.FAIL)),
        errors=str(
            verdicts.count(Verdict.INCONCLUSIVE) + verdicts.count(Verdict.ERROR) + bool(suite.incomplete)
        ),
        skipped=str(verdicts.count(Verdict.SKIPPED)),
        time=f"{suite.wall_s:.3f}",
        timestamp=started.isoformat(timespec="seconds"),
    )
    for result in suite.results:
        _case(root, result, suite.directory)
    if suite.incomplete:
        case = ET.SubElement(root, "testcase", classname="suite", name="the list of scenarios", time="0.000")
        said = f"scenarios may be missing: {one_line(suite.incomplete)}"
        ET.SubElement(case, "error", message=said, type=Verdict.INCONCLUSIVE)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _case(root: ET.Element, result: ScenarioResult, directory: str) -> None:
    case = ET.SubElement(
        root,
        "testcase",
        classname=one_line(f"{result.backend}.{result.topology}"),
        name=one_line(result.label),
        time=f"{result.wall_s:.3f}",
    )
    text = "\n".join(explain(result, directory))
    if result.verdict is Verdict.SKIPPED:
        ET.SubElement(case, "skipped", message=visible(" ".join(result.reasons)))
    elif result.verdict is Verdict.FAIL:
        ET.SubElement(case, "failure", message=headline(result), type="FAIL").text = text
    elif result.verdict is not Verdict.PASS:
        ET.SubElement(case, "error", message=headline(result), type=result.verdict).text = text
    else:
        ET.SubElement(case, "system-out").text = text
