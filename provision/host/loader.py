"""Import the package from stdin, in memory, and run it: the disk may be full or read-only.

The caller sets ``stdin``: a line with a size, that many bytes of JSON (the source of each file by its path)
compressed by zlib, then the request in one line.
"""

import gc
import json
import sys
import zlib

PACKAGE = "provision_host"


class Loader(object):
    """A sys.meta_path finder and loader, for the protocols of Python 2 and Python 3.

    Compiling is most of what a run costs that has nothing to do. So in Python 3 a module is compiled when an
    attribute of it is first used; ``from module import name`` is a use.
    """

    def __init__(self, sources):
        self.sources = sources

    def find_spec(self, fullname, path=None, target=None):
        """Find a module of ours (Python 3)."""
        name = self._file(fullname)
        if not name:  # also for the next line, which this finder is asked about
            return None
        from importlib.util import LazyLoader, spec_from_loader  # novm

        return spec_from_loader(fullname, LazyLoader(self), is_package=name.endswith("__init__.py"))

    def create_module(self, spec):
        """Return None, so that Python creates the module (Python 3)."""

    def exec_module(self, module):
        """Execute the module's source in it."""
        name = self._file(module.__name__)
        exec(compile(self.sources[name], "%s/%s" % (PACKAGE, name), "exec"), module.__dict__)  # noqa: S102 (it is what a loader does)

    def find_module(self, fullname, path=None):
        """Find a module of ours (Python 2)."""
        return self if self._file(fullname) else None

    def load_module(self, fullname):
        """Create the module and execute its source (Python 2)."""
        module = type(sys)(str(fullname))
        module.__loader__ = self
        module.__package__ = str(fullname.rpartition(".")[0])
        if self._file(fullname).endswith("__init__.py"):
            module.__package__ = str(fullname)
            module.__path__ = []
        sys.modules[fullname] = module
        self.exec_module(module)
        return module

    def _file(self, fullname):
        """Return the file of a module or package of ours; empty for any other."""
        package, _, below = fullname.partition(".")
        path = below.replace(".", "/")
        names = (path + ".py", (path + "/__init__.py").lstrip("/"))
        return next((name for name in names if package == PACKAGE and name in self.sources), "")


if "stdin" in globals():
    # A json.py in the login's directory must not shadow Python's own.
    sys.path[:] = [place for place in sys.path if place]
    packed = globals()["stdin"].read(int(globals()["stdin"].readline()))
    sys.meta_path.insert(0, Loader(json.loads(zlib.decompress(packed).decode("utf-8"))))
    gc.disable()  # what is imported stays: a tenth of the time would go into searching it
    from provision_host.main import main

    gc.enable()

    # One line: what is sent on request comes after it.
    main(globals()["stdin"].readline().decode("utf-8"))
