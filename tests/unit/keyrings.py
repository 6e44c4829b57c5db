"""Keyring files for tests, whose Argon2 takes no time; everything else is as in a real one."""

import functools
import io

import pykeepass

from provision.model import Secret


@functools.cache
def _cheap() -> bytes:
    database = pykeepass.create_database(io.BytesIO(), password="first")
    parameters = database.kdbx.header.value.dynamic_header.kdf_parameters.data.dict
    parameters["I"].value, parameters["M"].value, parameters["P"].value = 1, 64 * 1024, 1
    out = io.BytesIO()
    database.save(out)
    return out.getvalue()


def cheap_blank(master: Secret) -> bytes:
    """Make an empty file."""
    database = pykeepass.PyKeePass(io.BytesIO(_cheap()), password="first")
    database.password = master.reveal()
    out = io.BytesIO()
    database.save(out)
    return out.getvalue()
