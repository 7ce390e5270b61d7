"""Import TensorFlow and Keras without their parts that answering asks nothing of: half of the time.

Keras' wrappers for scikit-learn, its galleries and its slicing of arrays bring scikit-learn, SciPy, Matplotlib, OpenCV
and pandas along wherever these are installed; TensorFlow brings its interface of version 1. Each such part is loaded
when something of it is asked for, and is then what it would have been.
"""

import gc
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

LATER = frozenset(
    {
        "IPython",  # for keras.saving.KerasFileEditor
        "keras.wrappers",
        "keras._tf_keras.keras.wrappers",
        "keras.visualization",
        "keras._tf_keras.keras.visualization",
        "keras.src.visualization",
        "keras.src.trainers.data_adapters.array_slicing",
        "tensorflow._api.v2.compat",
        "tensorflow._api.v2.feature_column",
        "tensorflow._api.v2.__internal__.feature_column",
    }
)
"""Modules that others only name while they are imported. A name that another version lacks has no effect."""


class LoadedAtFirstUse(ModuleType):
    """Stands in for a module for those that imported it meanwhile, and passes on what is asked of it."""

    def __getattr__(self, name: str):
        if name.startswith("__"):  # asked while it is imported, of every module
            raise AttributeError(name)
        return getattr(_module(self), name)

    def __dir__(self):
        return dir(_module(self))


def _module(stand_in: LoadedAtFirstUse) -> ModuleType:
    """What it stands in for."""
    if sys.modules.get(stand_in.__name__) is stand_in:  # asked for before the import has ended
        del sys.modules[stand_in.__name__]
    return import_module(stand_in.__name__)


class _StandIns(MetaPathFinder, Loader):
    """Finds the modules of LATER, and gives a stand-in for each."""

    def __init__(self):
        self.given: dict[str, ModuleType] = {}

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None):
        if fullname not in LATER or fullname in self.given:
            return None
        # What is not installed is not to be found here, either: libraries ask.
        if PathFinder.find_spec(fullname, path) is not None:
            return ModuleSpec(fullname, self, is_package=True)
        return None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        self.given[spec.name] = LoadedAtFirstUse(spec.name)
        return self.given[spec.name]

    def exec_module(self, module: ModuleType) -> None:
        """A stand-in has nothing of its own."""


@contextmanager
def lean() -> Iterator[None]:
    """What is imported inside gets stand-ins for the modules of LATER; what is imported afterwards the modules.

    Collecting garbage is put off meanwhile: an import makes many objects that stay, and each collection visits them
    all.
    """
    finder, collects = _StandIns(), gc.isenabled()
    sys.meta_path.insert(0, finder)
    gc.disable()
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        for name, stand_in in finder.given.items():
            if sys.modules.get(name) is stand_in:
                del sys.modules[name]
        if collects:
            gc.enable()
