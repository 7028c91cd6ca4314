"""Numbers of the core as macros of C++ source, so that each is written down once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType


def defined(sizes: Mapping[str, int], numbers: Mapping[ModuleType, str] | None = None, whole: Sequence[str] = ()) -> str:
    """Lines of C++ that define numbers as floats; of a tuple all, as a list, and each one, as NAME_0, NAME_1 ...

    Args:
        sizes: whole numbers by name.
        numbers: a module and the names of its numbers there; the macros lack the underscore before them.
        whole: those of the macros that are whole numbers, too.
    """
    macros = {name: str(size) for name, size in sizes.items()}
    for module, names in (numbers or {}).items():
        for own_name in names.split():
            name, value = own_name.removeprefix("_"), vars(module)[own_name]
            if isinstance(value, tuple):
                macros |= {f"{name}_{k}": _float(number) for k, number in enumerate(value)}
                macros[name] = ", ".join(map(_float, value))
            else:
                macros[name] = str(value) if name in whole else _float(value)
    return "".join(f"#define {name} {value}\n" for name, value in macros.items())


def text_of(*names: str) -> str:
    """Source files beside this one, one behind the other."""
    return "".join(Path(__file__).with_name(name).read_text(encoding="utf-8") for name in names)


def _float(number: float) -> str:
    return f"{float(number)!r}f"
