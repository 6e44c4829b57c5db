"""Systems past their end: refused unasked, and CentOS's archive in place of its mirrors."""

import pytest

from provision.host.packages.archive import redirected

# From centos-release 7-9.2009 and centos-stream-repos 8, as their packages write them.
CENTOS_7 = """\
# CentOS-Base.repo
[base]
name=CentOS-$releasever - Base
mirrorlist=http://mirrorlist.centos.org/?release=$releasever&arch=$basearch&repo=os&infra=$infra
#baseurl=http://mirror.centos.org/centos/$releasever/os/$basearch/
gpgcheck=1
gpgkey=file:///etc/pki/rpm-gpg/RPM-GPG-KEY-CentOS-7

[extras]
name=CentOS-$releasever - Extras
mirrorlist=http://mirrorlist.centos.org/?release=$releasever&arch=$basearch&repo=extras&infra=$infra
#baseurl=http://mirror.centos.org/centos/$releasever/extras/$basearch/
gpgcheck=1
"""
STREAM_8 = """\
[appstream]
name=CentOS Stream $releasever - AppStream
mirrorlist=http://mirrorlist.centos.org/?release=$stream&arch=$basearch&repo=AppStream&infra=$infra
#baseurl=http://mirror.centos.org/$contentdir/$stream/AppStream/$basearch/os/
enabled=1
"""
OWN_MIRROR = """\
[base]
#mirrorlist=http://mirrorlist.centos.org/?release=$releasever&arch=$basearch&repo=os
#baseurl=http://mirror.centos.org/centos/$releasever/os/$basearch/
baseurl=http://mirror.example/centos/7/os/x86_64/
"""
OTHERS = """\
[epel]
metalink=https://mirrors.fedoraproject.org/metalink?repo=epel-7&arch=$basearch
#baseurl=http://download.fedoraproject.org/pub/epel/7/$basearch
note=ÿ[1]
"""


def active(text):
    """Return the lines that count."""
    lines = text.splitlines()
    return [line for line in lines if line.startswith(("baseurl", "mirrorlist"))]


def test_mirror_lists_that_are_gone_give_way_to_the_archive():
    assert active(redirected(CENTOS_7)) == [
        "baseurl=http://vault.centos.org/centos/$releasever/os/$basearch/",
        "baseurl=http://vault.centos.org/centos/$releasever/extras/$basearch/",
    ]
    assert active(redirected(STREAM_8)) == [
        "baseurl=http://vault.centos.org/$contentdir/$stream/AppStream/$basearch/os/"
    ]


def test_an_address_of_the_mirrors_becomes_one_of_the_archive():
    written = "[base]\nbaseurl = http://mirror.centos.org/centos/7/os/x86_64/\n"
    assert redirected(written) == "[base]\nbaseurl = http://vault.centos.org/centos/7/os/x86_64/\n"


@pytest.mark.parametrize("text", [OWN_MIRROR, OTHERS, "", "no section\n"])
def test_repositories_of_others_stay_as_they_are(text):
    assert redirected(text) == text


def test_signatures_are_checked_as_before():
    assert redirected(CENTOS_7).count("gpgcheck=1") == 2
