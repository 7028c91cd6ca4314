"""Files of torch.save, old and new: read as data, never obeyed, and only where they are asked."""

from __future__ import annotations

import argparse
import collections
import datetime
import enum
import functools
import io
import operator
import os
import pathlib
import pickle
import subprocess

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from real3d_core.errors import MissingModelError
from real3d_core.real3d.weights import pickle_reader
from real3d_core.real3d.weights.checkpoint import _each_its_own, read_tensors
from real3d_core.real3d.weights.pickle_reader import code_in, read_pickle

FORMATS = {"zip": {}, "legacy": {"_use_new_zipfile_serialization": False}}
WEIGHTS = {
    "matrix": torch.arange(12.0).view(3, 4),
    "transposed": torch.arange(12.0).view(3, 4).t()[1:],
    "half": torch.arange(3.0).half(),
    "bfloat": torch.arange(3.0).bfloat16(),
    "parameter": torch.nn.Parameter(torch.arange(5.0)),
    "number": torch.tensor(7.0),
    "counter": torch.tensor(7),
    "short": torch.tensor([1, 2, 3], dtype=torch.uint16),
    "none": torch.zeros(0, 4),
}


class Config:
    """Settings as an object of a class that no reader knows."""

    def __init__(self):
        self.rate, self.nested = 1e-4, {"names": ["a", "b"]}


class Table(dict):
    """Settings as a kind of dictionary."""


class Feature(enum.Enum):
    """A setting with a few values."""

    HUBERT = "hubert"
    MEL = 1


class Calling:
    """A pickle that makes its reader call something."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


class Recording:
    """An object that does something when it is made."""

    def __init__(self, mark: str):
        pathlib.Path(mark).touch()


class Marked(torch.Tensor):
    """A tensor of a class of its own."""


HARMLESS = {
    "checkpoint_callback_best": np.float64(0.25),
    "numbers": [np.float32(1), np.int64(2), np.arange(3), np.dtype("f4"), np.bool_(True), 2**70, 1.5, None, b"bytes", 1j],
    "random": [np.random.RandomState(0), np.random.default_rng(0), torch.get_rng_state(), torch.Generator()],
    "hparams": argparse.Namespace(lr=1e-4, betas=(0.9, 0.99)),
    "config": Config(),
    "table": Table(a=1),
    "ordered": collections.OrderedDict(a=1),
    "counted": collections.defaultdict(list, a=[1]),
    "counts": collections.Counter("aab"),
    "paths": [pathlib.PurePosixPath("a/b"), pathlib.Path("c")],
    "time": [datetime.datetime(2024, 2, 10), datetime.timedelta(hours=2)],
    "torch": [torch.float32, torch.device("cpu"), torch.Size([2]), torch.nn.functional.relu],
    "sets": [{1, 2}, frozenset("ab"), slice(1, 2), range(3)],
    "type": Config,
    "choice": [Feature.HUBERT, Feature.MEL],
    "partial": functools.partial(Config),
    "module": torch.nn.Linear(2, 2),
}


def saved(tmp_path, content, form: str = "zip", **options) -> pathlib.Path:
    path = tmp_path / f"{form}.ckpt"
    torch.save(content, path, **FORMATS[form], **options)
    return path


def refusal(path) -> str:
    with pytest.raises(MissingModelError) as caught:
        read_tensors(path)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 600
    return str(caught.value)


@pytest.mark.parametrize("protocol", [2, 4, 5])
@pytest.mark.parametrize("form", FORMATS)
def test_weights_come_as_they_were_saved(tmp_path, form, protocol):
    path = saved(tmp_path, {"state_dict": {"model": WEIGHTS}}, form, pickle_protocol=protocol)
    read, _ = read_tensors(path)
    assert list(read) == list(WEIGHTS)
    for name, tensor in WEIGHTS.items():
        assert read[name].dtype == tensor.dtype and torch.equal(read[name], tensor), name


@pytest.mark.parametrize("form", FORMATS)
def test_tensors_with_a_class_or_attributes_are_tensors(tmp_path, form):
    tagged, typed = torch.arange(3.0), torch.arange(4.0).as_subclass(Marked)
    tagged.sharded = False
    parameter = torch.nn.Parameter(torch.arange(5.0))
    parameter.frozen = True
    read, _ = read_tensors(saved(tmp_path, {"state_dict": {"model": {"a": tagged, "b": typed, "c": parameter}}}, form))
    assert [read[name].tolist() for name in "abc"] == [list(range(n)) for n in (3, 4, 5)]


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("thing", HARMLESS)
def test_what_training_puts_beside_the_weights_is_no_code(tmp_path, form, thing):
    path = saved(tmp_path, {thing: HARMLESS[thing], "state_dict": {"model": {"a": WEIGHTS["matrix"]}}}, form)
    assert torch.equal(read_tensors(path)[0]["a"], WEIGHTS["matrix"])


@pytest.mark.parametrize("form", FORMATS)
def test_tied_weights_can_be_converted(tmp_path, form):
    tied = torch.arange(4.0)
    read, _ = read_tensors(saved(tmp_path, {"state_dict": {"model": {"a": tied, "b": tied, "c": tied[1:]}}}, form))
    save_file(_each_its_own(read), tmp_path / "tied.safetensors")
    assert [tensor.tolist() for tensor in load_file(tmp_path / "tied.safetensors").values()] == [[0, 1, 2, 3], [0, 1, 2, 3], [1, 2, 3]]


@pytest.mark.parametrize("form", FORMATS)
def test_the_states_of_an_optimiser_are_not_read(tmp_path, form):
    model = torch.nn.Linear(8, 8)
    optimiser = torch.optim.Adam(model.parameters())
    model(torch.ones(1, 8)).sum().backward()
    optimiser.step()
    states = {"optimizer_states": [optimiser.state_dict()], "state_dict": {"model": model.state_dict()}, "epoch": 1, "global_step": 2}
    path = saved(tmp_path, states, form)
    read, _ = read_tensors(path)
    assert all(torch.equal(read[name], value) for name, value in model.state_dict().items())


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize(
    "names",
    [
        ("module.a.c", "module.b"),
        ("model.module.a.c", "model.module.b"),
        ("module._orig_mod.a.c", "module._orig_mod.b"),
        ("a.module.c", "b"),
    ],
)
def test_the_wrappers_of_training_are_taken_off_the_names(tmp_path, form, names):
    path = saved(tmp_path, {"state_dict": dict.fromkeys(names, torch.ones(1))}, form)
    assert list(read_tensors(path)[0]) == ["a.c", "b"]


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("place", ["model", "beside"])
@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda mark: (os.system, f"touch {mark}"), "system"),
        (lambda mark: (eval, f"open({mark!r}, 'w')"), "eval"),
        (lambda mark: (exec, f"open({mark!r}, 'w')"), "exec"),
        (lambda mark: (open, mark, "w"), "open"),
        (lambda mark: (subprocess.Popen, ["touch", mark]), "Popen"),
        (lambda mark: (operator.methodcaller("touch"), pathlib.Path(mark)), "methodcaller"),
        (lambda mark: (functools.partial(os.mkdir, mark),), "mkdir"),
        (lambda mark: (np.save, mark, 1), "save"),
        (lambda mark: (pathlib.Path.touch, pathlib.Path(mark)), "touch"),
        (lambda mark: (pickle.loads, pickle.dumps(1)), "loads"),
        (lambda mark: (saved, pathlib.Path(mark), {}), "saved"),
        (lambda mark: (Recording, mark), "Recording"),
    ],
)
def test_code_is_named_and_does_not_run(tmp_path, form, place, call, name):
    mark = tmp_path / "was-run"
    intruder = Calling(*call(str(mark)))
    content = {"state_dict": {"model": {"a": intruder if place == "model" else torch.ones(1)}}, "more": intruder}
    words = refusal(saved(tmp_path, content, form, pickle_protocol=4))
    assert "could execute code" in words and name in words
    assert not mark.exists()


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize(
    ("tensor", "kind"),
    [
        (torch.eye(3).to_sparse(), "sparse"),
        (torch.eye(3).to_sparse_csr(), "sparse"),
        (torch.quantize_per_tensor(torch.eye(3), 0.1, 0, torch.qint8), "quantised"),
        (torch.ones(2, device="meta"), "meta"),
        (torch.ones(1).expand(1000, 1000), "repeats"),
        (torch.complex(torch.ones(2), torch.ones(2)).conj(), "conjugated"),
    ],
)
def test_other_kinds_of_tensors_are_named(tmp_path, form, tensor, kind):
    words = refusal(saved(tmp_path, {"state_dict": {"model": {"a": torch.ones(1), "odd": tensor}}}, form))
    assert "odd" in words and kind in words


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize(
    "content",
    [
        None,
        [],
        [torch.ones(1)],
        torch.ones(1),
        {"state_dict": []},
        {"state_dict": {"model": [torch.ones(1)]}},
        {"state_dict": {"model": {"a": 1.0, "b": "text", "c": np.ones(3)}}},
        {1: 2, None: 3, ("a", "b"): 4},
    ],
)
def test_a_file_without_weights_is_told_so(tmp_path, form, content):
    assert "holds no tensors" in refusal(saved(tmp_path, content, form))


def test_a_very_long_name_makes_a_short_sentence(tmp_path):
    path = saved(tmp_path, {"state_dict": {"model": {"x" * 2**20: torch.ones(2).to_sparse(), "a": torch.ones(1)}}})
    assert "sparse" in refusal(path)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("kept", [0.1, 0.5, 0.9, 0.999])
def test_a_cut_off_file_is_refused(tmp_path, form, kept):
    path = saved(tmp_path, {"state_dict": {"model": {"a": torch.rand(100, 100), "b": torch.rand(100)}}}, form)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])
    assert "damaged" in refusal(path)


@pytest.mark.parametrize("form", FORMATS)
def test_any_spoilt_byte_of_the_pickle_is_survived(tmp_path, form):
    """Each file loads, or is refused in a sentence; nothing else comes out."""
    path = saved(tmp_path, {"config": Config(), "state_dict": {"model": {"a": torch.rand(3)}}}, form)
    content = path.read_bytes()
    start = content.index(b"config") - 8
    for at in range(start, min(start + 500, len(content)), 3):
        for value in (0, ord("."), ord("R"), 255):
            path.write_bytes(content[:at] + bytes([value]) + content[at + 1 :])
            try:
                read_tensors(path)
            except MissingModelError as refused:
                assert "\n" not in str(refused) and len(str(refused)) < 600


def test_a_checkpoint_without_checksums_is_read(tmp_path):
    torch.serialization.set_crc32_options(False)
    try:
        path = saved(tmp_path, {"state_dict": {"model": WEIGHTS}})
    finally:
        torch.serialization.set_crc32_options(True)
    assert torch.equal(read_tensors(path)[0]["matrix"], WEIGHTS["matrix"])


@pytest.mark.parametrize(
    "program",
    [
        b"" + b"(" * 100_000 + b".",
        b"]" * 100_000 + b"a" * 99_999 + b".",
        b"\x80\x02\x8e\xff\xff\xff\xff\xff\xff\xff\x7f" + b"x",  # bytes that are not there
        b"I" + b"9" * 100_000 + b"\n.",  # a number that takes long to read
        b"h\x01.",  # what was never remembered
        b"R.",
        b"",
        b"\x80\x02}(X\x01\x00\x00\x00aX\x01\x00\x00\x00bX\x01\x00\x00\x00cu.",  # an odd number of items
        b"c" + b"m" * 2**20 + b"\nn\n.",
        b"\x82\x01.",
    ],
    ids=["marks", "nested", "claimed", "digits", "memo", "reduce", "empty", "odd", "long", "extension"],
)
def test_strange_programs_end_in_words_or_in_data(program):
    try:
        read_pickle(io.BytesIO(program))
    except ValueError as refused:
        assert "pickle" in str(refused)


def test_an_endless_pickle_ends(monkeypatch):
    monkeypatch.setattr(pickle_reader, "LONGEST", 1000)
    with pytest.raises(ValueError, match="damaged"):
        read_pickle(io.BytesIO(b"N0" * 1000))


def test_old_protocols_are_understood():
    content = {"a": [1, 2.5, "ü", None, True], "b": (1,), "c": {"d": {}}}
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        read = read_pickle(io.BytesIO(pickle.dumps([content, Config()], protocol)))
        assert read.value[0] == content and code_in(read) is None
    assert code_in(read_pickle(io.BytesIO(b"(S'echo'\nios\nsystem\n."))) == "os.system"
    assert code_in(read_pickle(io.BytesIO(b"c__builtin__\neval\n."))) == "builtins.eval"
