"""Say what a plan does to what runs on a host."""

from provision.model import Consent, Containers, Harm
from provision.report.layout import count

# What the host calls an effect on several; of one it is said in these words.
_OF_ONE = {
    "containers restart": "container restarts",
    "containers stop": "container stops",
    "containers started with --rm are lost": "container started with --rm is lost",
    "units restart with docker.service": "unit restarts with docker.service",
    "units stop with docker.service": "unit stops with docker.service",
    "builds end": "build ends",
    "packages of others are removed": "package of others is removed",
    "packages of others move": "package of others moves",
}


def harm_words(harm: Harm) -> str:
    """Return one effect: ``12 containers restart: db, web, …``."""
    what = _OF_ONE.get(harm.what, harm.what) if harm.count == 1 else harm.what
    more = ["…"] if harm.count > len(harm.names) else []
    return f"{harm.count} {what}: {', '.join([*harm.names, *more])}"


def consent_lines(consent: Consent | None) -> list[str]:
    """Return the effects of a plan, one a line; none for a plan that disrupts nothing."""
    return [harm_words(harm) for harm in consent.harms] if consent else []


def containers_words(found: Containers | None) -> str:
    """Return what became of the containers: ``6 containers: 5 untouched, 1 restarted, 0 lost``."""
    if found is None:
        return ""
    total = found.untouched + len(found.restarted) + len(found.lost)
    named = f" ({', '.join(found.lost)})" if found.lost else ""
    silent = f", no answer yet from {', '.join(found.silent)}" if found.silent else ""
    return (
        f"{count(total, 'container')}: {found.untouched} untouched, {len(found.restarted)} restarted, "
        f"{len(found.lost)} lost{named}{silent}"
    )


def waited_words(waited: tuple[str, ...]) -> str:
    """Return for whom a run waited: ``waited for cloud-init (cloud-final.service)``."""
    return f"waited for {', '.join(waited)}" if waited else ""
