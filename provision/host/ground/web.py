"""Fetch from the web within a time limit: through a proxy or without one, and from several places at once."""

import threading
import time

# A read waits for all of its bytes, and only between two reads is it known how late it is.
PIECE_BYTES = 64
# A server that does not answer a question within this time counts as down.
PROBE_TIMEOUT_S = 6


class Unanswered(Exception):
    """Nothing was fetched; the text says why."""


def get(url, timeout_s, cap_bytes, proxies=None, trust=None):
    """Return the bytes at ``url``; raise Unanswered.

    ``proxies`` are urllib's, None for those of the environment. ``trust`` is an SSLContext, None for the
    system's authorities.
    """
    deadline = time.time() + timeout_s
    stream, data = _open(url, timeout_s, proxies, trust), b""
    try:
        for piece in iter(lambda: stream.read(PIECE_BYTES), b""):
            data += piece
            if time.time() > deadline or len(data) > cap_bytes:
                raise Unanswered("not finished after %d s and %d bytes" % (timeout_s, len(data)))
    except Exception as error:
        raise Unanswered("%s" % error)
    finally:
        stream.close()
    return data


def status(url, timeout_s, proxies=None, trust=None):
    """Return the HTTP status of ``url``; raise Unanswered."""
    stream = _open(url, timeout_s, proxies, trust, errors=True)
    stream.close()
    return stream.getcode()


def at_once(work, items, limit_s):
    """Return what ``work`` returns for each item, all at work in parallel; None after ``limit_s``."""
    found, deadline = {}, time.time() + limit_s

    def one(at):
        found[at] = work(items[at])

    threads = [threading.Thread(target=one, args=(at,)) for at in range(len(items))]
    for thread in threads:
        thread.daemon = True
        thread.start()
    for thread in threads:
        thread.join(max(0, deadline - time.time()))
    return [found.get(at) for at in range(len(items))]


def trusting(authorities, system=False):
    """Return an SSLContext that trusts these ``authorities`` (PEM), with ``system`` beside the system's.

    Without any it is None, which urllib takes for the system's.
    """
    if not authorities:
        return None
    import ssl

    text = u"%s" % authorities
    context = ssl.create_default_context(cadata=None if system else text)
    if system:
        context.load_verify_locations(cadata=text)
    # Python 3.13 refuses authorities that curl and Go accept.
    context.verify_flags &= ~getattr(ssl, "VERIFY_X509_STRICT", 0)
    return context


def trusting_all():
    """Return an SSLContext that verifies nothing."""
    import ssl

    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def is_untrusted(said):
    """Return whether a certificate could not be verified, by the text of an Unanswered."""
    return "CERTIFICATE_VERIFY" in said


def _open(url, timeout_s, proxies, trust, errors=False):
    try:
        from urllib.request import HTTPSHandler, ProxyHandler, build_opener  # novm
    except ImportError:
        from urllib2 import HTTPSHandler, ProxyHandler, build_opener  # novm
    handlers = [] if proxies is None else [ProxyHandler(proxies)]
    handlers += [HTTPSHandler(context=trust)] if trust else []
    try:
        return build_opener(*handlers).open(url, timeout=timeout_s)
    except Exception as error:
        # Beside OSError, a server that does not speak HTTP causes many kinds.
        if errors and hasattr(error, "code"):
            return error
        raise Unanswered("%s" % error)
