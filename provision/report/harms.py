"""Describe the effects of a plan on what runs on a host."""

from provision.model import Consent, Containers, Harm
from provision.report.layout import count


def harm_words(harm: Harm) -> str:
    """Return one effect: ``12 containers restart: db, web, …``."""
    what = harm.one if harm.count == 1 else harm.what
    more = ["…"] if harm.count > len(harm.names) else []
    return f"{harm.count} {what}: {', '.join([*harm.names, *more])}"


def consent_lines(consent: Consent | None) -> list[str]:
    """Return the effects of a plan, one per line; none for a plan that disrupts nothing."""
    return [harm_words(harm) for harm in consent.harms] if consent else []


def containers_words(found: Containers | None) -> str:
    """Return the state of the containers: ``6 containers: 5 untouched, 1 restarted, 0 lost``."""
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
    """Return what a run waited for: ``waited for cloud-init (cloud-final.service)``."""
    return f"waited for {', '.join(waited)}" if waited else ""
