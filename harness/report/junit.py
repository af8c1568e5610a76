"""`junit.xml`: FAIL is a failure, INCONCLUSIVE and a failed environment are errors, SKIPPED is skipped.

The text of a failure is what the terminal shows, so that a CI page is enough.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from xml.etree import ElementTree as ET

from harness.model.results import ScenarioResult, SuiteResult
from harness.model.words import Verdict
from harness.report.explain import explain, headline

_NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


def junit(suite: SuiteResult) -> str:
    verdicts = [one.verdict for one in suite.results]
    started = datetime.fromtimestamp(suite.started_wall_us / 1e6, tz=UTC)
    root = ET.Element(
        "testsuite",
        name=f"failover-kit {suite.suite}",
        tests=str(len(verdicts)),
        failures=str(verdicts.count(Verdict.FAIL)),
        errors=str(verdicts.count(Verdict.INCONCLUSIVE) + verdicts.count(Verdict.ERROR)),
        skipped=str(verdicts.count(Verdict.SKIPPED)),
        time=f"{suite.wall_s:.3f}",
        timestamp=started.isoformat(timespec="seconds"),
    )
    for result in suite.results:
        _case(root, result, suite.directory)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _case(root: ET.Element, result: ScenarioResult, directory: str) -> None:
    case = ET.SubElement(
        root,
        "testcase",
        classname=f"{result.backend}.{result.topology}",
        name=result.name,
        time=f"{result.wall_s:.3f}",
    )
    text = _NOT_IN_XML.sub("?", "\n".join(explain(result, directory)))
    if result.verdict is Verdict.SKIPPED:
        ET.SubElement(case, "skipped", message=_NOT_IN_XML.sub("?", " ".join(result.reasons)))
    elif result.verdict is Verdict.FAIL:
        ET.SubElement(case, "failure", message=headline(result), type="FAIL").text = text
    elif result.verdict is not Verdict.PASS:
        ET.SubElement(case, "error", message=headline(result), type=result.verdict).text = text
    else:
        ET.SubElement(case, "system-out").text = text
