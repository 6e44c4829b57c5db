"""The run as one web page, without scripts or external resources, for phones too, light and dark."""

from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup, escape

from provision.model import HostReport, Report, Status, Verdict
from provision.report import advice
from provision.report.buckets import (
    BAD,
    ORDER,
    STYLES,
    Group,
    cause,
    group,
    judged,
    names,
    proven,
    sort_into_buckets,
    words_of,
)
from provision.report.changes import consent_lines, containers_words, said, sign, summary
from provision.report.failures import joined, tally
from provision.report.layout import clean, clean_lines, count, duration

if TYPE_CHECKING:
    from jinja2 import Environment

_HERE = Path(__file__).parent

# The order of a host's checks on the page.
SHOWN = (Verdict.FAILED, Verdict.ADVICE, Verdict.PASSED, Verdict.SKIPPED)


def page_text(report: Report) -> str:
    """Return the HTML document for ``report``; every value from a host is escaped."""
    buckets = sort_into_buckets(report.hosts, proven if report.words.by_checks else judged)
    words = words_of(report.words, is_plan=advice.is_plan(report.command))
    # A page is read from the top, so failed hosts come first here.
    shown = [*reversed(BAD), Status.CHANGED, Status.OK]
    template = _environment().get_template("report.html.j2")
    return template.render(
        report=report,
        counts=[(words[status], len(buckets[status]), STYLES[status]) for status in ORDER if buckets[status]],
        sections=[_section(status, words, buckets[status]) for status in shown if buckets[status]],
        unsuccessful=any(buckets[status] for status in BAD),
        again=advice.again(report.command),
    )


def _environment() -> "Environment":
    # Here, as most commands write no page.
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        # Every value that the template prints is cleaned here.
        finalize=lambda value: clean(value) if type(value) is str else value,
    )
    environment.filters.update(
        duration=duration,
        lines=lambda text: Markup(escape(clean_lines(text))),  # noqa: S704  (escaped here, line ends kept)
    )
    environment.globals.update(sign=sign, count=count)
    return environment


def _section(status: Status, words: Mapping[Status, str], hosts: Group) -> dict[str, Any]:
    def alike(host: HostReport) -> Hashable:
        checks = tuple((check.name, check.verdict, check.detail) for check in host.checks)
        return cause(host), host.changes, host.system, checks, _running(host)

    return {
        "word": words[status],
        "style": STYLES[status],
        "hosts": len(hosts),
        "groups": [_group(members) for members in group(hosts, alike)],
    }


def _running(host: HostReport) -> tuple[str, ...]:
    """Return the state of the containers, or the effects that need consent."""
    found = containers_words(host.containers)
    return tuple([found] if found else [f"needs consent: {line}" for line in consent_lines(host.consent)])


def _group(hosts: Group) -> dict[str, Any]:
    first = hosts[0]
    return {
        "names": names(hosts),
        "system": first.system,
        "seconds": max(host.seconds for host in hosts),
        "summary": summary(first.changes),
        "tally": tally(first.checks) if first.checks else "",
        "running": _running(first),
        "failure": joined(hosts),
        "changes": first.changes,
        "earlier": [(said(run), run.changes) for run in first.earlier],
        "checks": sorted(first.checks, key=lambda check: SHOWN.index(check.verdict)),
        "open": bool(first.failure or first.earlier or any(check.verdict.is_bad for check in first.checks)),
    }
