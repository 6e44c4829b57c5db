"""Detect a wrong clock as the cause of an error: certificates and signatures depend on it."""

TOLERATED_S = 3600
_DAY_S = 86400

# The errors of a valid repository and a valid key on a host with a wrong clock.
_JUDGED = ("repository-tls", "package-signature", "wrong-key", "expired-key")


def explain(error, apart):
    """Return ``error`` (described, or None), or instead one that names the clock as the cause.

    ``apart`` is how many seconds the host's clock is ahead of the controller's.
    """
    if error is None or error["kind"] not in _JUDGED or abs(apart) < TOLERATED_S:
        return error
    days, hours = round(abs(apart) / float(_DAY_S)), round(abs(apart) / 3600.0)
    amount = "%d days" % days if days > 1 else "%d hours" % hours
    side = "ahead of" if apart > 0 else "behind"
    return dict(
        error, kind="clock-off", refused=True,
        message="this host's clock is %s %s the controller's" % (amount, side),
        hint="set the clock on the host (timedatectl set-ntp true); then: `again`",
        meaning="%s: certificates and signatures are judged by the clock" % error["message"])
