"""Registry mirrors that are asked before they are written, and a company's authorities for registries."""

import os
import ssl
import threading
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from provision.host.engine import certificates, registry_mirrors
from provision.host.ground.errors import HostError
from provision.host.ground.machine import Machine, Ran
from tests.lab.mirrors import certificate
from tests.unit import served


class Host(Machine):
    """A host whose docker.service has no environment."""

    environment = ""

    def run(self, argv):
        assert argv[:2] == ["systemctl", "show"]
        return Ran(0, f"Environment={self.environment}\n", "")


@pytest.fixture
def host(tmp_path):
    return Host(str(tmp_path))


def refuse(host, *mirrors, found=(), ca="", **options):
    desired = {"daemon_options": {}, "ca": ca}
    whole = {"registry-mirrors": list(mirrors)} | options
    registry_mirrors.refuse_dead(host, desired, {"registry-mirrors": list(found)}, whole)


def registry(status, asked=None):
    def answer(path, _):
        (asked if asked is not None else []).append(path)
        return status, b"{}"

    return served.serving(answer)


@pytest.mark.parametrize("status", [200, 401])
def test_a_registry_is_alive_with_and_without_a_login(host, status):
    asked = []
    with registry(status, asked) as address:
        refuse(host, f"http://{address}/")
    assert asked == ["/v2/"]


def test_dead_mirrors_are_refused_together_with_their_reasons(host):
    with registry(200) as good, registry(404) as page, pytest.raises(HostError) as caught:
        refuse(host, f"http://{good}", f"http://{page}", "http://127.0.0.1:9")
    error = caught.value
    assert error.kind == "registry-mirror-dead"
    assert f"http://{page}: HTTP status 404" in error.evidence
    assert "http://127.0.0.1:9: " in error.evidence
    assert good not in error.message + error.evidence


def test_a_mirror_that_is_there_is_not_asked_and_refuses_no_other_change(host):
    refuse(host, "http://127.0.0.1:9", found=["http://127.0.0.1:9"], debug=True)


@pytest.mark.parametrize("strange", [None, "http://127.0.0.1:9", [5, None, "ftp://x"], {}])
def test_what_is_no_list_of_addresses_is_left_to_the_engine(host, strange):
    registry_mirrors.refuse_dead(host, {"daemon_options": {}}, {}, {"registry-mirrors": strange})


@pytest.mark.parametrize("place", ["daemon.json", "unit"])
def test_the_engines_proxy_is_a_route_to_a_mirror(host, place):
    seen = []
    with registry(200) as address, served.proxying("ops:swordfish", seen) as proxy:
        name = "mirror.invalid:" + address.rpartition(":")[2]
        through = f"http://ops:swordfish@{proxy}"
        with pytest.raises(HostError):
            refuse(host, f"http://{name}")
        options = {"proxies": {"http-proxy": through}} if place == "daemon.json" else {}
        host.environment = f'"HTTP_PROXY={through}" X=y' if place == "unit" else ""
        with pytest.raises(HostError) as caught:
            refuse(host, f"http://{name}", **options)
        assert seen == [f"http://{name}/v2/"]
        assert "swordfish" not in str(vars(caught.value))
        refuse(host, f"http://{address}", **options)


@pytest.fixture
def over_tls(tmp_path):
    """The address of a registry, and the certificate that signs it."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(401)
            self.end_headers()

        def log_message(self, *_):
            pass

    made = certificate(tmp_path, "127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made)
    with ExitStack() as stack:
        server = stack.enter_context(ThreadingHTTPServer(("127.0.0.1", 0), Handler))
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        stack.callback(server.shutdown)
        text = made.read_text()
        yield f"127.0.0.1:{server.server_port}", text[text.index("-----BEGIN CERTIFICATE") :]


def test_a_mirror_is_trusted_as_docker_trusts_it(host, over_tls):
    address, authority = over_tls
    mirror = f"https://{address}"
    with pytest.raises(HostError) as caught:
        refuse(host, mirror)
    assert "CERTIFICATE_VERIFY_FAILED" in caught.value.evidence
    refuse(host, mirror, ca=authority)
    refuse(host, mirror, **{"insecure-registries": [address]})
    theirs = f"{certificates.FOLDER}/{address}"
    os.makedirs(host.path(theirs))
    with open(host.path(theirs + "/theirs.crt"), "w") as file:
        file.write(authority)
    refuse(host, mirror)


# --- /etc/docker/certs.d ----------------------------------------------------------------------------------

MIRRORS = ["https://mirror.example", "http://plain.example", "https://../../etc", 5]
NAMED = {
    "ca": "the authorities\n",
    "registry_logins": {"r.example:5000/team": {}, "https://hub.example/v1/": {}},
    "daemon_options": {"registry-mirrors": MIRRORS},
}


def test_each_registry_that_is_named_has_a_folder():
    assert certificates.registries(NAMED) == ["hub.example", "mirror.example", "r.example:5000"]
    assert certificates.registries({"daemon_options": {}}) == []


def test_authorities_go_with_the_inventory_and_those_of_others_stay(host):
    theirs = f"{certificates.FOLDER}/r.example:5000/ca.crt"
    os.makedirs(host.path(os.path.dirname(theirs)))
    with open(host.path(theirs), "w") as file:
        file.write("theirs")
    (change,) = certificates.plan(host, NAMED)
    assert change.after == "hub.example, mirror.example, r.example:5000"
    change.apply()
    assert host.text(f"{certificates.FOLDER}/mirror.example/provision.crt") == NAMED["ca"]
    assert certificates.plan(host, NAMED) == []
    (fewer,) = certificates.plan(host, NAMED | {"registry_logins": {}})
    assert fewer.after == "hub.example removed, r.example:5000 removed"
    fewer.apply()
    assert sorted(os.listdir(host.path(certificates.FOLDER))) == ["mirror.example", "r.example:5000"]
    fewer.undo()
    assert certificates.plan(host, NAMED) == []
    (gone,) = certificates.plan_absent(host)
    gone.apply()
    assert os.listdir(host.path(certificates.FOLDER)) == ["r.example:5000"]
    assert host.text(theirs) == "theirs"
    assert certificates.plan_absent(host) == []


def test_an_undo_leaves_no_folder(host):
    (change,) = certificates.plan(host, NAMED)
    change.apply()
    change.undo()
    assert os.listdir(host.root) == []
