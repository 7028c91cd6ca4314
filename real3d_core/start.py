"""The program's own start, made shorter; nothing here is for a host, whose modules belong to others too."""

from __future__ import annotations

import importlib
import sys
import threading
from contextlib import suppress
from types import ModuleType


def load_mediapipe() -> None:
    """Loads MediaPipe, if it is there, without the matplotlib that draws its plots: 40 MB and half a second that nobody here uses.

    For a program's start only: other threads that load matplotlib meanwhile would get what stands in for it here.
    """
    if "matplotlib" in sys.modules:
        return
    plots = sys.modules["matplotlib"] = _Later("matplotlib")
    vars(plots)["pyplot"] = sys.modules["matplotlib.pyplot"] = _Later("matplotlib.pyplot")
    try:
        with suppress(Exception):  # whoever needs it says what is wrong with it
            importlib.import_module("mediapipe")
    finally:
        _stand_aside()


def load_meanwhile(module: str) -> None:
    """Loads a module while the caller goes on; whoever needs it before it is there waits for it."""
    threading.Thread(target=importlib.import_module, args=(module,), daemon=True).start()


class _Later(ModuleType):
    """Stands in for a module until something of it is asked for."""

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(name)
        _stand_aside()
        return getattr(importlib.import_module(self.__name__), name)


def _stand_aside() -> None:
    """Whoever loads them from now on gets the modules themselves."""
    for name in [name for name, module in sys.modules.items() if isinstance(module, _Later)]:
        del sys.modules[name]
