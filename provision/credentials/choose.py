"""Choose the keyring, and refuse unsafe ones with the reason."""

import functools
import importlib
import os

from keyring.backend import KeyringBackend
from keyring.backends.chainer import ChainerBackend
from keyring.core import load_keyring

from provision.credentials import master
from provision.credentials.kdbx import KdbxKeyring
from provision.errors import KeyringError
from provision.settings import Settings

EMBEDDED = f"{KdbxKeyring.__module__}.{KdbxKeyring.__qualname__}"
DESKTOP = (
    "keyring.backends.SecretService.Keyring",
    "keyring.backends.libsecret.Keyring",
    "keyring.backends.kwallet.DBusKeyring",
    "keyring.backends.macOS.Keyring",
)
ADVICE = "leave out --keyring and PYTHON_KEYRING_BACKEND, or name the embedded file: --keyring kdbx"


@functools.cache
def choose(settings: Settings) -> KeyringBackend:
    """Return the keyring of this run, the same at each call, so that it is opened once.

    The order: ``--keyring``, the embedded file with a throw-away master password,
    ``PYTHON_KEYRING_BACKEND``, a desktop's keyring, the embedded file. Raises KeyringError for a backend that
    is refused or does not load.
    """
    if settings.keyring:
        return _named(settings.keyring, settings)
    if settings.master_file:
        return _embedded(settings)
    variable = os.environ.get("PYTHON_KEYRING_BACKEND")
    return _named(variable, settings) if variable else _desktop() or _embedded(settings)


def explain(settings: Settings, backend: KeyringBackend) -> str:
    """Return why ``choose`` took this ``backend``."""
    if settings.keyring:
        return f"named by --keyring {settings.keyring}"
    if settings.master_file:
        return "of the lab, with a throw-away master password"
    if os.environ.get("PYTHON_KEYRING_BACKEND"):
        return "named by PYTHON_KEYRING_BACKEND"
    if isinstance(backend, KdbxKeyring):
        return "the embedded file, as no desktop keyring answers here"
    return "this desktop's"


def refuse(backend: KeyringBackend) -> None:
    """Raise KeyringError, with the reason, for a backend that loses or reveals secrets."""
    members = backend.backends if isinstance(backend, ChainerBackend) else ()
    for one in (backend, *members):
        for ancestor in type(one).__mro__:
            _refuse_name(f"{ancestor.__module__}.{ancestor.__qualname__}")


def _refuse_name(name: str) -> None:
    reason = _flaw(name)
    if reason:
        raise KeyringError(f"the keyring backend {name} is refused: {reason}", ADVICE)


def _flaw(name: str) -> str:
    module, _, kind = name.rpartition(".")
    if module == "keyring.backends.null":
        return "it drops every secret and reports no error"
    if module == "keyring.backends.fail":
        return "it keeps nothing"
    if kind.startswith("Plaintext"):
        return "it writes secrets in plain text"
    if module == "keyrings.alt" or module.startswith("keyrings.alt."):
        return "its files can be changed without notice, and a secret can move to another host"
    return ""


def _named(name: str, settings: Settings) -> KeyringBackend:
    if name in {"kdbx", EMBEDDED}:
        return _embedded(settings)
    _refuse_name(name)
    try:
        backend = load_keyring(name)
    except Exception as error:  # a backend is foreign code, and may raise anything
        raise KeyringError(
            f"the keyring backend {name} cannot be used",
            "keyring --list-backends names those that can",
            evidence=f"{type(error).__name__}: {error}",
        ) from None
    refuse(backend)
    return backend


def _embedded(settings: Settings) -> KdbxKeyring:
    file, sources = settings.keyring_file, master.Sources.of(settings)
    return KdbxKeyring(file, lambda: master.obtain(file, sources))


def _desktop() -> KeyringBackend | None:
    return next(filter(None, map(_running, DESKTOP)), None)


def _running(name: str) -> KeyringBackend | None:
    module, _, kind = name.rpartition(".")
    try:
        backend: type[KeyringBackend] = getattr(importlib.import_module(module), kind)
        return backend() if backend.viable and backend.priority >= 1 else None
    except Exception:  # a missing service raises many kinds of errors
        return None
