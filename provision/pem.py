"""A company's authorities: a file of certificates on this machine, as it is sent to hosts."""

import functools
import re
from pathlib import Path

CAP_BYTES = 1 << 20
_BLOCK = re.compile(r"-----BEGIN CERTIFICATE-----\s.*?\s-----END CERTIFICATE-----", re.DOTALL)


@functools.cache
def authorities(where: str) -> str:
    """Return the certificates in the file ``where``, without what stands around them.

    Raises ValueError, with a few words, for a file that cannot be read, or that is not one of certificates.
    """
    # Imported here: few inventories name such a file.
    import ssl

    try:
        text = Path(where).expanduser().read_bytes()[: CAP_BYTES + 1].decode("latin-1")
    except OSError as error:
        raise ValueError(str(error)) from None
    if "PRIVATE KEY-----" in text:
        raise ValueError("it holds a private key")
    found = _BLOCK.findall(text)
    if not found:
        raise ValueError("it has no certificate in PEM form")
    if len(text) > CAP_BYTES:
        raise ValueError(f"it has more than {CAP_BYTES} bytes")
    sent = "\n".join([*found, ""])
    try:
        ssl.create_default_context(cadata=sent)
    except (ssl.SSLError, ValueError) as error:
        raise ValueError(f"it is damaged: {error}") from None
    return sent
