"""Pickles read as data: a small interpreter that never calls anything.

A pickle is a program for a stack machine whose instructions import names and call them. Here an imported name stays a name and a
call stays a record of who was to be called with what, so reading is safe whatever the file holds. `code_in` judges which of these
records mean code; which of them are tensors is for the caller to know.
"""

from __future__ import annotations

import builtins
import pickletools
import re
from collections.abc import Callable
from typing import IO, Any

LONGEST = 3_000_000  # instructions; a training checkpoint has some hundred thousand


class Name(str):
    """A global that the pickle refers to, such as "torch.FloatStorage"; nothing was imported."""


class Made(dict):
    """What a call, or the creation of an object, would have made.

    maker: full name of the function or class. arguments: what it was to be called with. The entries are the items that were put
    into it afterwards, as into an OrderedDict; whatever else was done to it is forgotten.
    """

    def __init__(self, maker: str, arguments: object = ()):
        super().__init__()
        self.maker = maker
        self.arguments = arguments if isinstance(arguments, tuple) else ()


class Persistent:
    """A reference to something outside of the pickle. identification: what the writer knows it by."""

    def __init__(self, identification: object):
        self.identification = identification


class Pickle:
    """value: the object, of plain Python values, `Name`, `Made` and `Persistent`.

    names: every global referred to. called: those that were to be called; "name()" where that was what a call had returned.
    references: every reference to something outside.
    """

    def __init__(self, value: object, names: set[str], called: set[str], references: list[Persistent]):
        self.value, self.names, self.called, self.references = value, names, called, references


def read_pickle(file: IO[bytes]) -> Pickle:
    """Reads one pickle from where the file is; afterwards the file is behind it.

    Raises:
        ValueError: it is damaged, or longer than a checkpoint can be.
    """
    machine = _Machine()
    try:
        for count, (instruction, argument, _) in enumerate(pickletools.genops(file)):
            if count > LONGEST:
                raise ValueError("too many instructions")
            machine.run(instruction.name, argument)
        return Pickle(machine.take(1)[0], machine.names, machine.called, machine.references)
    except (ValueError, LookupError, TypeError, AttributeError, OverflowError, MemoryError) as failure:
        raise ValueError(f"its pickle is damaged: {type(failure).__name__}") from failure


def code_in(read: Pickle) -> str | None:
    """A name by which the pickle could run code where it is obeyed; None: there is none.

    That is any call but of known harmless names and of enumerations, and any mention of something that exists to run things.
    """
    known = [name for name in read.names if _runs_things(name)]
    return min(known or read.called - HARMLESS_CALLS, default=None)


def _runs_things(name: str) -> bool:
    module, _, own = name.partition(".")
    if module == "builtins":
        return not isinstance(getattr(builtins, own, None), type)
    return module in _MODULES_THAT_RUN_THINGS


_MODULES_THAT_RUN_THINGS = {
    *("os", "posix", "nt", "subprocess", "pty", "shutil", "sys", "socket", "ctypes", "importlib", "runpy", "imp", "code", "codeop"),
    *("pickle", "_pickle", "cPickle", "marshal", "shelve", "dill", "cloudpickle", "multiprocessing", "asyncio", "threading", "signal"),
    *("operator", "_operator", "io", "_io", "tempfile", "webbrowser", "pdb", "bdb", "timeit", "profile", "cProfile", "pip", "commands"),
}

_REBUILT = (
    *("_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_tensor_v3", "_rebuild_parameter", "_rebuild_parameter_with_state"),
    *("_rebuild_sparse_tensor", "_rebuild_sparse_csr_tensor", "_rebuild_qtensor", "_rebuild_meta_tensor_no_storage"),
    *("_rebuild_nested_tensor", "_rebuild_device_tensor_from_numpy", "_rebuild_wrapper_subclass"),
)
HARMLESS_CALLS = {
    f"{module}.{name}"
    for modules, names in (
        (("torch._utils",), _REBUILT),
        (("torch._tensor",), ("_rebuild_from_type", "_rebuild_from_type_v2")),
        (("torch",), ("device", "Size", "Tensor", "Generator")),
        (("torch._C",), ("Generator",)),
        (("torch.nn.parameter",), ("Parameter", "Buffer")),
        (("torch.serialization",), ("_get_layout",)),
        (("numpy.core.multiarray", "numpy._core.multiarray"), ("scalar", "_reconstruct")),
        (("numpy.core.numeric", "numpy._core.numeric"), ("_frombuffer",)),
        (("numpy",), ("dtype", "ndarray", "float16", "float32", "float64", "int32", "int64", "bool_")),
        (("numpy.ma.core",), ("_mareconstruct",)),
        (("numpy.random._pickle",), ("__randomstate_ctor", "__generator_ctor", "__bit_generator_ctor")),
        (("numpy.random",), ("__RandomState_ctor",)),
        (("numpy.random.bit_generator",), ("__pyx_unpickle_SeedSequence",)),
        (("_codecs",), ("encode",)),
        (("copyreg",), ("_reconstructor",)),
        (("builtins",), ("set", "frozenset", "list", "dict", "tuple", "int", "float", "complex", "str", "bytes", "bytearray", "bool")),
        (("builtins",), ("slice", "range", "object")),
        (("collections",), ("OrderedDict", "defaultdict", "Counter", "deque")),
        (("pathlib", "pathlib._local"), ("Path", "PosixPath", "WindowsPath", "PurePath", "PurePosixPath", "PureWindowsPath")),
        (("datetime",), ("datetime", "date", "time", "timedelta", "timezone")),
        (("decimal",), ("Decimal",)),
        (("fractions",), ("Fraction",)),
        (("uuid",), ("UUID",)),
        (("re",), ("_compile",)),
        (("types",), ("SimpleNamespace",)),
        (("argparse",), ("Namespace",)),
        (("functools",), ("partial",)),
        (("logging",), ("getLogger",)),
    )
    for module in modules
    for name in names
}


class _Machine:
    """The stack, the marks on it, and the memo."""

    def __init__(self):
        self.stack: list[object] = []
        self.marks: list[int] = []
        self.memo: dict[object, object] = {}
        self.names: set[str] = set()
        self.called: set[str] = set()
        self.references: list[Persistent] = []

    def run(self, instruction: str, argument: object) -> None:
        if instruction in _VALUES:
            self.stack.append(argument)
        elif instruction in _CONSTANTS:
            self.stack.append(_CONSTANTS[instruction]())
        elif instruction not in _IGNORED:
            _ACTIONS[instruction](self, argument)

    def marked(self) -> list[object]:
        """Takes everything above the latest mark."""
        start = self.marks.pop()
        found = self.stack[start:]
        del self.stack[start:]
        return found

    def name(self, module: object, own: object) -> Name:
        if not (isinstance(module, str) and isinstance(own, str)):
            raise TypeError("a name is not a string")
        full = f"{_FORMER_MODULES.get(module, module)}.{own}"
        found = Name(_FORMER_NAMES.get(full, full))
        self.names.add(found)
        return found

    def call(self, maker: object, arguments: object) -> Made:
        made = self.create(maker, arguments)
        if not _is_member(made):
            self.called.add(made.maker)
        return made

    def create(self, maker: object, arguments: object) -> Made:
        """An object of a class as pickle makes it without calling the class."""
        if isinstance(maker, Made):
            return Made(f"{maker.maker}()", arguments)
        if isinstance(maker, Persistent):
            return Made("a reference", arguments)
        if not isinstance(maker, Name):
            raise TypeError("the function to call is not a name")
        return Made(maker, arguments)

    def put_items(self, pairs: list[object]) -> None:
        target = self.stack[-1]
        if isinstance(target, dict):
            keys = (key if isinstance(key, _KEYS) else object() for key in pairs[::2])  # others may not be hashable
            target.update(zip(keys, pairs[1::2], strict=True))

    def append(self, values: list[object]) -> None:
        if isinstance(self.stack[-1], list):
            self.stack[-1].extend(values)

    def push(self, value: object) -> None:
        self.stack.append(value)

    def take(self, count: int) -> list[object]:
        """The uppermost values, the lowest first."""
        if count > len(self.stack) - (self.marks[-1] if self.marks else 0):
            raise IndexError("the stack is empty")
        found = self.stack[len(self.stack) - count :]
        del self.stack[len(self.stack) - count :]
        return found

    def refer(self, identification: object) -> None:
        self.references.append(Persistent(identification))
        self.push(self.references[-1])

    def pop(self) -> None:
        if self.marks and self.marks[-1] == len(self.stack):
            self.marks.pop()
        else:
            self.take(1)

    def dictionary(self) -> None:
        pairs = self.marked()
        self.push({})
        self.put_items(pairs)

    def instance(self, maker: object, arguments: list[object]) -> None:
        self.push(self.call(maker, tuple(arguments)))

    def old_instance(self) -> None:
        maker, *arguments = self.marked()
        self.instance(maker, arguments)


def _is_member(made: Made) -> bool:
    """Whether a call looks like what a member of an enumeration is kept as: its class, by the usual spelling, and its value."""
    value = made.arguments[0] if len(made.arguments) == 1 else ()
    plain = _WORD.fullmatch(value) is not None if isinstance(value, str) else isinstance(value, (int, float))
    return plain and made.maker.rpartition(".")[2][:1].isupper()


_WORD = re.compile(r"[\w-]{1,40}")
_KEYS = (str, int, float, bytes, type(None))
_FORMER_MODULES = {"__builtin__": "builtins", "copy_reg": "copyreg"}
_FORMER_NAMES = {"builtins.xrange": "builtins.range", "builtins.unicode": "builtins.str", "builtins.long": "builtins.int"}
_VALUES = {
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT", "STRING", "BINSTRING", "SHORT_BINSTRING"),
    *("UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
}
_CONSTANTS: dict[str, Callable[[], object]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_DICT": dict,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
    "EMPTY_SET": lambda: Made("builtins.set"),
}
_IGNORED = {"PROTO", "FRAME", "STOP"}
_ACTIONS: dict[str, Callable[[_Machine, Any], object]] = {
    "MARK": lambda machine, _: machine.marks.append(len(machine.stack)),
    "POP": lambda machine, _: machine.pop(),
    "POP_MARK": lambda machine, _: machine.marked(),
    "DUP": lambda machine, _: machine.push(machine.stack[-1]),
    "GET": lambda machine, at: machine.push(machine.memo[at]),
    "PUT": lambda machine, at: machine.memo.update({at: machine.stack[-1]}),
    "MEMOIZE": lambda machine, _: machine.memo.update({len(machine.memo): machine.stack[-1]}),
    "TUPLE": lambda machine, _: machine.push(tuple(machine.marked())),
    "TUPLE1": lambda machine, _: machine.push(tuple(machine.take(1))),
    "TUPLE2": lambda machine, _: machine.push(tuple(machine.take(2))),
    "TUPLE3": lambda machine, _: machine.push(tuple(machine.take(3))),
    "LIST": lambda machine, _: machine.push(machine.marked()),
    "DICT": lambda machine, _: machine.dictionary(),
    "FROZENSET": lambda machine, _: machine.push(Made("builtins.frozenset", tuple(machine.marked()))),
    "APPEND": lambda machine, _: machine.append(machine.take(1)),
    "APPENDS": lambda machine, _: machine.append(machine.marked()),
    "ADDITEMS": lambda machine, _: machine.marked(),
    "SETITEM": lambda machine, _: machine.put_items(machine.take(2)),
    "SETITEMS": lambda machine, _: machine.put_items(machine.marked()),
    "GLOBAL": lambda machine, both: machine.push(machine.name(*both.split(" ", 1))),
    "STACK_GLOBAL": lambda machine, _: machine.push(machine.name(*machine.take(2))),
    "REDUCE": lambda machine, _: machine.push(machine.call(*machine.take(2))),
    "NEWOBJ": lambda machine, _: machine.push(machine.create(*machine.take(2))),
    "NEWOBJ_EX": lambda machine, _: machine.push(machine.create(*machine.take(3)[:2])),
    "INST": lambda machine, both: machine.instance(machine.name(*both.split(" ", 1)), machine.marked()),
    "OBJ": lambda machine, _: machine.old_instance(),
    "BUILD": lambda machine, _: machine.take(1),
    "PERSID": lambda machine, text: machine.refer(text),
    "BINPERSID": lambda machine, _: machine.refer(*machine.take(1)),
}
for _name in ("BINGET", "LONG_BINGET"):
    _ACTIONS[_name] = _ACTIONS["GET"]
for _name in ("BINPUT", "LONG_BINPUT"):
    _ACTIONS[_name] = _ACTIONS["PUT"]
