"""docker_engine_ca_file, and docker_engine_proxy, as they stand in the inventory."""

import pytest

from provision import desired, pem
from provision.errors import InventoryError
from provision.ssh import hostcode
from provision.ssh.answer import NoResult
from tests.lab.mirrors import certificate


@pytest.fixture
def made(tmp_path):
    """The private key and the certificate of a file, as texts."""
    text = certificate(tmp_path, "192.0.2.1").read_text()
    at = text.index("-----BEGIN CERTIFICATE")
    return text[:at], text[at:]


def put(tmp_path, text):
    file = tmp_path / "ca.pem"
    file.write_text(text)
    return str(file)


def checked(**values):
    return desired.checked("web1", {f"docker_engine_{key}": value for key, value in values.items()})


def test_the_certificates_alone_are_sent(tmp_path, made):
    where = put(tmp_path, f"the company's\n{made[1]}\n# and another\n{made[1]}")
    assert checked(ca_file=where)
    assert pem.authorities(where) == made[1] * 2


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{key}{certificate}", "it holds a private key"),
        ("", "no certificate"),
        ("<html>", "no certificate"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "it is damaged"),
    ],
)
def test_anything_else_is_refused_before_a_host_is_reached(tmp_path, made, text, words):
    where = put(tmp_path, text.format(key=made[0], certificate=made[1]))
    with pytest.raises(InventoryError, match="docker_engine_ca_file is refused") as caught:
        checked(ca_file=where)
    assert words in caught.value.failure.evidence
    assert "BEGIN" not in str(caught.value.failure)
    with pytest.raises(NoResult, match=words):
        hostcode._authorities(where)


def test_a_file_that_is_not_there_is_told():
    with pytest.raises(InventoryError) as caught:
        checked(ca_file="/nowhere/ca.pem")
    assert "No such file" in caught.value.failure.evidence


@pytest.mark.parametrize("value", ["", "http://proxy.example:3128", "http://192.0.2.1:1/", {"secret": "p"}])
def test_a_proxy_is_an_address_or_the_name_of_a_secret(value):
    assert checked(proxy=value)["docker_engine_proxy"] == value


@pytest.mark.parametrize(
    "value", ["proxy:3128", "https://p:1", "http://ops@p:1", "http://p:1 x", ["http://p:1"], 5, {"a": 1}]
)
def test_any_other_proxy_is_refused(value):
    with pytest.raises(InventoryError, match="docker_engine_proxy"):
        checked(proxy=value)


def test_a_proxy_with_a_password_is_refused_without_it():
    with pytest.raises(InventoryError, match="password in plain text") as caught:
        checked(proxy="http://ops:swordfish@p:1")
    assert "swordfish" not in str(caught.value.failure)


def test_one_mirror_or_several():
    assert checked(mirror="https://a.example")
    assert checked(mirror=["https://a.example", "https://b.example"])
    for wrong in ([], ["https://a.example", "nowhere"], [["https://a.example"]]):
        with pytest.raises(InventoryError, match="docker_engine_mirror is refused"):
            checked(mirror=wrong)
