"""The commands of `fab --list`: each turns its flags into one call, and an error into an exit code."""

from fabric.config import Config
from fabric.executor import Executor
from fabric.main import Fab
from invoke.collection import Collection

from provision import __version__
from provision.tasks import bundle, credentials, hosts, keys, lab, root

namespace = Collection(root.plan, root.provision, root.verify, root.uninstall)
namespace.add_collection(Collection.from_module(hosts))
namespace.add_collection(Collection.from_module(keys))
namespace.add_collection(Collection.from_module(credentials))
namespace.add_collection(Collection.from_module(bundle))
namespace.add_collection(Collection.from_module(lab))

program = Fab(
    name="provision", namespace=namespace, version=__version__, executor_class=Executor, config_class=Config
)
