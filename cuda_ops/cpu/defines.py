"""Numbers of the core as macros of C++ source, so that each is written down once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import ModuleType


def defined(sizes: Mapping[str, int], numbers: Mapping[ModuleType, str] | None = None, whole: Sequence[str] = ()) -> str:
    """Lines of C++ that define numbers as floats; of a tuple all, as a list, and each one, as NAME_0, NAME_1 ...

    Args:
        sizes: whole numbers by name.
        numbers: a module and the names of its numbers there, without the underscore before those that have one.
        whole: those of the names that are whole numbers, too.
    """
    macros = {name: str(size) for name, size in sizes.items()}
    for module, names in (numbers or {}).items():
        for name in names.split():
            value = vars(module)[f"_{name}" if hasattr(module, f"_{name}") else name]
            if isinstance(value, tuple):
                macros |= {f"{name}_{k}": _float(number) for k, number in enumerate(value)}
                macros[name] = ", ".join(map(_float, value))
            else:
                macros[name] = str(value) if name in whole else _float(value)
    return "".join(f"#define {name} {value}\n" for name, value in macros.items())


def _float(number: float) -> str:
    return f"{float(number)!r}f"
