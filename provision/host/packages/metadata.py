"""Metadata of a package repository, made from the headers of its packages: the host may lack createrepo."""

import gzip
import hashlib
import io
import os
import re
from xml.sax.saxutils import escape, quoteattr

from ..ground.errors import HostError
from . import dnf_errors

FOLDER, PACKAGES = "repodata", "packages"
_TAGS = ("NAME", "EPOCHNUM", "VERSION", "RELEASE", "ARCH", "SIZE", "BUILDTIME", "VENDOR", "SOURCERPM")
_SIGNATURES = "|".join("%%{%s:pgpsig}" % tag for tag in ("RSAHEADER", "DSAHEADER", "SIGPGP", "SIGGPG"))
_ENTRIES = ("provide", "require", "conflict", "obsolete")
# A line for the package, then one for each of its entries and files.
_FORMAT = "package\\t%s\\t%s\\n%s[file\\t%%{FILENAMES}\\n]" % (
    "\\t".join("%%{%s}" % tag for tag in _TAGS), _SIGNATURES, "".join(
        "[{0}\\t%{{{1}NAME}}\\t%{{{1}FLAGS}}\\t%{{{1}VERSION}}\\n]".format(word, word.upper())
        for word in _ENTRIES))
_SIGNER = re.compile(r"Key (?:ID|[Ff]ingerprint):? ([0-9A-Fa-f]{16,})")
# rpm's bits for less, greater and equal, and for a feature of rpm itself; see rpmds.h.
_COMPARED = {2: "LT", 4: "GT", 8: "EQ", 10: "LE", 12: "GE"}
_RPMLIB = 1 << 24
# The files that createrepo lists beside the packages: others are in a list that is read on demand.
_PRIMARY = re.compile(r"/etc/|/(?:[^/]+/)*s?bin/|/usr/lib/sendmail$")
_COMMON, _RPM, _FILELISTS, _REPO = (
    "http://linux.duke.edu/metadata/" + word for word in ("common", "rpm", "filelists", "repo"))
_PIECE_BYTES = 1 << 20


class Header(object):
    """What the header of a package says: ``signer`` is the id of the key that signed it, 16 digits."""

    def __init__(self, words):
        self.tags = dict(zip(_TAGS, words))
        found = _SIGNER.search(words[len(_TAGS)])
        self.signer = found.group(1)[-16:].lower() if found else ""
        self.entries = {word: [] for word in _ENTRIES}
        self.files = []

    @property
    def file(self):
        """The name of a file with this package."""
        return "%(NAME)s-%(VERSION)s-%(RELEASE)s.%(ARCH)s.rpm" % self.tags


def read(machine, paths):
    """Return the Header of each package in ``paths``; raise for one that nobody has signed."""
    ran = machine.run(["rpm", "-qp", "--nosignature", "--qf", _FORMAT] + paths)
    headers = []
    for words in (line.split("\t") for line in ran.out.splitlines()):
        if words[0] == "package":
            headers.append(Header(words[1:]))
        elif words[0] == "file":
            headers[-1].files.append(words[1])
        elif words[0] in _ENTRIES:
            headers[-1].entries[words[0]].append(words[1:])
    if len(headers) != len(paths):
        raise HostError(
            "packages", "rpm cannot read the packages that were fetched", "see rpm's line; then: `again`",
            (ran.err or ran.out).strip()[-300:])
    for header in headers:
        if not header.signer:
            raise dnf_errors.classify("Package %s is not signed" % header.file)
    return headers


def write(folder, headers):
    """Write the metadata of the packages below ``folder``; return the names of its files."""
    os.mkdir(os.path.join(folder, FOLDER))
    needed = {entry[0] for header in headers for entry in header.entries["require"]}
    found = [(header, _measured(folder, header)) for header in headers]
    lists = (
        ("primary", 'metadata xmlns="%s" xmlns:rpm="%s"' % (_COMMON, _RPM),
         [_primary(header, size, digest, needed) for header, (size, digest) in found]),
        ("filelists", 'filelists xmlns="%s"' % _FILELISTS,
         [_filelist(header, digest) for header, (_, digest) in found]))
    rows = [_written(folder, name, head, packages) for name, head, packages in lists]
    # The last one: what it names is there.
    text = u"<revision>1</revision>%s" % u"".join(rows)
    _put(folder, "repomd.xml", _document('repomd xmlns="%s"' % _REPO, text))
    return ["%s/%s" % (FOLDER, name) for name in sorted(os.listdir(os.path.join(folder, FOLDER)))]


def digest(path):
    """Return the SHA-256 of a file."""
    found = hashlib.sha256()
    with open(path, "rb") as stream:
        for piece in iter(lambda: stream.read(_PIECE_BYTES), b""):
            found.update(piece)
    return found.hexdigest()


def _measured(folder, header):
    path = os.path.join(folder, PACKAGES, header.file)
    return os.path.getsize(path), digest(path)


def _primary(header, size, checksum, needed):
    files = [name for name in header.files if _PRIMARY.match(name) or name in needed]
    tags = {name: u"" if value == "(none)" else escape(value) for name, value in header.tags.items()}
    tags.update(size=size, sum=checksum, place=quoteattr("%s/%s" % (PACKAGES, header.file)))
    lists = u"".join(
        u"<rpm:%ss>%s</rpm:%ss>" % (word, u"".join(map(_entry, header.entries[word])), word)
        for word in _ENTRIES)
    return (
        u'<package type="rpm"><name>%(NAME)s</name><arch>%(ARCH)s</arch>'
        u'<version epoch="%(EPOCHNUM)s" ver="%(VERSION)s" rel="%(RELEASE)s"/>'
        u'<checksum type="sha256" pkgid="YES">%(sum)s</checksum>'
        u"<summary/><description/><packager/><url/>"
        u'<time file="%(BUILDTIME)s" build="%(BUILDTIME)s"/>'
        u'<size package="%(size)d" installed="%(SIZE)s" archive="%(SIZE)s"/>'
        u"<location href=%(place)s/><format><rpm:license/><rpm:vendor>%(VENDOR)s</rpm:vendor><rpm:group/>"
        u"<rpm:buildhost/><rpm:sourcerpm>%(SOURCERPM)s</rpm:sourcerpm>"
        u'<rpm:header-range start="0" end="0"/>' % tags
    ) + lists + u"".join(u"<file>%s</file>" % escape(name) for name in files) + u"</format></package>"


def _entry(words):
    name, flags, version = words
    if int(flags) & _RPMLIB:
        return u""  # What rpm itself can do; each rpm provides that for itself.
    compared = _COMPARED.get(int(flags) & 14)
    if not compared or not version:
        return u"<rpm:entry name=%s/>" % quoteattr(name)
    epoch, _, rest = version.rpartition(":")
    number, _, release = rest.partition("-")
    said = u"<rpm:entry name=%s flags=%s epoch=%s ver=%s" % (
        quoteattr(name), quoteattr(compared), quoteattr(epoch or "0"), quoteattr(number))
    return said + (u" rel=%s/>" % quoteattr(release) if release else u"/>")


def _filelist(header, checksum):
    return u'<package pkgid="%s" name=%s arch="%s"><version epoch="%s" ver="%s" rel="%s"/>%s</package>' % (
        (checksum, quoteattr(header.tags["NAME"]))
        + tuple(header.tags[tag] for tag in ("ARCH", "EPOCHNUM", "VERSION", "RELEASE"))
        + (u"".join(u"<file>%s</file>" % escape(name) for name in header.files),))


def _written(folder, name, head, packages):
    """Write one list; return its entry in repomd.xml."""
    text = _document('%s packages="%d"' % (head, len(packages)), u"".join(packages))
    buffer = io.BytesIO()
    with gzip.GzipFile("", "wb", 9, buffer, 0) as stream:
        stream.write(text)
    file, packed = name + ".xml.gz", buffer.getvalue()
    _put(folder, file, packed)
    sums = tuple(hashlib.sha256(data).hexdigest() for data in (packed, text))
    return (
        u'<data type="%s"><checksum type="sha256">%s</checksum><open-checksum type="sha256">%s'
        u'</open-checksum><location href="%s/%s"/><timestamp>1</timestamp><size>%d</size>'
        u"<open-size>%d</open-size></data>" % ((name,) + sums + (FOLDER, file, len(packed), len(text))))


def _document(head, text):
    name = head.split(" ")[0]
    return (u'<?xml version="1.0" encoding="UTF-8"?>\n<%s>%s</%s>\n' % (head, text, name)).encode("utf-8")


def _put(folder, name, data):
    with open(os.path.join(folder, FOLDER, name), "wb") as stream:
        stream.write(data)
