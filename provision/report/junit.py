"""The run as JUnit XML: a host is a suite, a check is a case, a failure is an error."""

from collections.abc import Sequence
from xml.etree.ElementTree import Element, SubElement, tostring

from provision.model import Check, HostReport, Report, Verdict
from provision.report.layout import clean, clean_lines


def junit_text(report: Report) -> str:
    """Return the XML document for ``report``."""
    root = Element("testsuites", {"name": clean(report.command), "time": f"{report.seconds:.3f}"})
    for host in report.hosts:
        suite = SubElement(root, "testsuite", _attributes(host, report.started))
        for check in host.checks:
            _check(suite, host.name, check)
        if failure := host.failure:
            case = _case(suite, host.name, failure.stage or "run", host.seconds)
            error = SubElement(
                case, "error", {"type": clean(failure.kind), "message": clean(failure.message)}
            )
            lines = (failure.evidence, failure.meaning, failure.state, failure.hint)
            error.text = "\n".join(clean_lines(line) for line in lines if line)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(root, encoding="unicode") + "\n"


def _attributes(host: HostReport, started: str) -> dict[str, str]:
    errors = 1 if host.failure else 0
    return {
        "name": clean(host.name),
        "tests": str(len(host.checks) + errors),
        "failures": str(_number(host.checks, Verdict.FAILED)),
        "errors": str(errors),
        "skipped": str(_number(host.checks, Verdict.SKIPPED, Verdict.ADVICE)),
        "time": f"{host.seconds:.3f}",
        "timestamp": clean(started.removesuffix("Z")),
    }


def _number(checks: Sequence[Check], *verdicts: Verdict) -> int:
    return sum(check.verdict in verdicts for check in checks)


def _case(suite: Element, host: str, name: str, seconds: float) -> Element:
    attributes = {"classname": clean(host), "name": clean(name), "time": f"{seconds:.3f}"}
    return SubElement(suite, "testcase", attributes)


def _check(suite: Element, host: str, check: Check) -> None:
    case = _case(suite, host, check.name, check.seconds)
    if check.verdict.is_bad:
        SubElement(case, "failure", {"message": clean(check.detail)})
    elif check.verdict is Verdict.SKIPPED:
        SubElement(case, "skipped", {"message": clean(check.detail)})
    elif check.verdict is Verdict.ADVICE:
        # JUnit has no such result; the word in the message marks it.
        SubElement(case, "skipped", {"message": clean(f"advice: {check.detail}")})
