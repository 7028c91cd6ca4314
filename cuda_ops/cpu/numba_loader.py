"""Back end cpu-numba: march_numba.py, compiled by numba where there is no C++ compiler."""

from __future__ import annotations

import hashlib
import logging
import shutil
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache, partial
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..build import Refusal, processor
from ..build_cache import cache_folder, is_sealed, seal
from ..core import render
from ..fused_marching import Cutoffs, FusedMarcher, PackedDecoder, PackedHead, Window
from .frames import CastRays, Numbers, Picture, Steps, WholeFrames

MULTIPLE = 16  # the widest vectors
RAYS_AT_ONCE, ROWS_AT_ONCE = 256, 16  # of a thread
WHERE = ("across_axis", "across_length", "down_axis", "down_length", "start")
SCALES = ("across_scale", "across_shift", "down_scale", "down_shift")
STACKS = ("through_axis", "through_length", "through_scale", "through_shift")
SOURCES = tuple(
    Path(__file__).with_name(f"{name}.py")
    for name in ("march_numba", "samples_numba", "table_numba", "vectors_numba", "cast_numba", "polynomials")
)

_log = logging.getLogger(__name__)


def load() -> FusedMarcher:
    """Compiles it or takes it from the cache.

    Raises:
        Refusal: numba is not installed.
    """
    kernel_of = cache(_kernel)
    cast_rays, choose_rays = kernel_of("cast_numba", "cast", "CAST"), kernel_of("cast_numba", "choose", "CHOOSE")
    project_rows = kernel_of("table_numba", "project", "PROJECT")
    square_side = import_module(".table_numba", __package__).SIDE
    workspace = import_module(".march_numba", __package__).workspace
    kernel_of()

    def cast(camera: Tensor, box: Tensor, rays: CastRays, span: Tensor) -> bool:
        return cast_rays(camera.numpy(), rays.side, *_arrays(box, rays.directions, rays.near, rays.far, span))

    def choose(rays: CastRays, numbers: Numbers, span: Tensor | None, ends: Tensor) -> tuple[Tensor, Tensor]:
        pixels, reach = rays.near.new_empty(rays.near.shape, dtype=torch.int32), rays.near.new_empty(2, 3)
        origin, between = np.array(rays.origin, np.float32), span if span is not None else rays.near[:0]
        tensors = (rays.directions, rays.near, rays.far, numbers.strata, numbers.jitter, between, pixels, reach, ends)
        return pixels[: choose_rays(origin, rays.side, *_arrays(*tensors))], reach

    def project_some(sheets: np.ndarray, inside: np.ndarray, size: np.ndarray, channels: np.ndarray, *arguments: Any) -> None:
        square = np.empty((len(channels), square_side, square_side), np.float32)
        project_rows(sheets, inside, size, channels, *arguments, square)

    def project(table: render.plane_table.PlaneTable, windows: tuple[Window, ...], decoder: PackedDecoder) -> tuple[Tensor, Tensor]:
        weight, channels = (decoder.weight.T / 3).contiguous().numpy(), table.channels.numpy()
        late_units = len(decoder.bias) - decoder.early_units
        early, late = (decoder.bias.new_empty(len(table), some).numpy() for some in (decoder.early_units, late_units))
        for window in table.windows:
            bias = decoder.bias.numpy() if window.start == 0 else np.zeros(len(decoder.bias), np.float32)
            inside = np.array([window.down.first, window.across.first, *window.sheets[0].shape[-2:]])
            size = np.array([len(window.down), len(window.across)])
            for number, planes in enumerate(window.layers()):
                start = window.start + number * size.prod()
                sheets = np.array([[plane.data_ptr(), *(4 * step for step in plane.stride())] for plane in planes], np.int64).reshape(-1, 4)
                place = slice(start, start + size.prod())
                arguments = (sheets, inside, size, channels, weight, bias, early[place], late[place])
                _in_threads(partial(project_some, *arguments), int(size[0]), ROWS_AT_ONCE)
        return torch.from_numpy(early), torch.from_numpy(late)

    def march(head: PackedHead, cutoffs: Cutoffs, rays: CastRays, numbers: Numbers, pixels: Tensor, picture: Picture) -> None:
        trigrid, count = head.windows[0].through_length > 0, len(pixels)
        kernel = kernel_of(signature="TRIGRID_SIGNATURE" if trigrid else "SIGNATURE")
        frame = (rays.directions, rays.near, rays.far, numbers.strata, numbers.jitter, numbers.positions, pixels)
        arguments = (*_head_arguments(head), np.array(rays.origin, np.float32), *_arrays(*frame), *vars(cutoffs).values())
        results = _arrays(picture.features.flatten(1), picture.depth.flatten(), picture.opacity.flatten())
        depths, units = (numbers.jitter.shape[1], numbers.positions.shape[1]), (head.early.shape[1], head.late.shape[1])
        sizes = (*depths, *units, len(head.decoder.colour_bias), len(head.decoder.constant))

        def march_some(first: int, stop: int) -> None:
            with denormals_flushed():
                kernel(*arguments, first, stop, *results, workspace(*sizes))

        _in_threads(march_some, count, RAYS_AT_ONCE)

    return FusedMarcher(WholeFrames(Steps(cast, choose, project, march)), MULTIPLE)


def _in_threads(work: Callable[[int, int], None], count: int, at_once: int) -> None:
    """Runs work(first, stop) until `count` things are done, so many at once in each of torch's number of threads."""
    if torch.get_num_threads() == 1:
        work(0, count)
        return
    with ThreadPoolExecutor(torch.get_num_threads()) as threads:
        list(threads.map(lambda first: work(first, min(first + at_once, count)), range(0, count, at_once)))


def _arrays(*tensors: Tensor) -> list[np.ndarray]:
    return [tensor.numpy() for tensor in tensors]


def _head_arguments(head: PackedHead) -> tuple[np.ndarray | float, ...]:
    """What the kernel wants to know of a head, in its order."""
    decoder = head.decoder
    windows, scales, stacks = (
        np.array([[getattr(window, name) for name in names] for window in head.windows], kind)
        for names, kind in ((WHERE, np.int32), (SCALES, np.float32), (STACKS, np.float32))
    )
    return (
        *_arrays(head.early, head.late, decoder.to_density),
        decoder.density_bias,
        *_arrays(decoder.to_colour, decoder.colour_bias, decoder.constant, decoder.outputs),
        *(windows, scales, stacks if head.windows[0].through_length > 0 else stacks[:0, 0]),
    )


@contextmanager
def denormals_flushed() -> Iterator[None]:
    """Numbers below 1.2e-38 are zeros in this thread meanwhile: they cost a processor a hundred times what others do."""
    already = not torch.tensor(1e-40).mul(1).item()
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(already)


def _kernel(module: str = "march_numba", function: str = "march", signature: str = "SIGNATURE") -> Callable[..., Any]:
    """A function of a module, compiled for the signature that the module names; kept on disk if the cache folder can be written."""
    try:
        numba = import_module("numba")
        source = import_module(f".{module}", __package__)
    except ImportError as failure:
        raise Refusal(
            f"numba is not installed or does not work here ({failure}); `pip install numba` makes marching three times as fast"
        ) from None
    _log.info("numba compiles ray marching for this processor, unless it is in the cache; that takes some seconds")
    types = getattr(source, signature)
    folder = cache_folder() / f"numba-{_key(numba)}"
    if not is_sealed(folder):
        shutil.rmtree(folder, ignore_errors=True)
    if _can_be_written(folder):
        before = numba.config.CACHE_DIR
        numba.config.CACHE_DIR = str(folder)
        try:
            compiled = _compile(numba, getattr(source, function), types, cache=True)
            if not is_sealed(folder):
                seal(folder)
            return compiled
        except Exception as failure:  # what numba kept may be damaged in any way
            _log.debug("numba's cache in '%s' cannot be used: %s", folder, failure)
        finally:
            numba.config.CACHE_DIR = before
    return _compile(numba, getattr(source, function), types, cache=False)


def _compile(numba: ModuleType, function: Callable[..., Any], signature: str, cache: bool) -> Callable[..., Any]:
    # No threads of numba's own: its simplest kind ends the whole program when two of Python's threads march at the same time.
    return numba.njit(signature, nogil=True, cache=cache, error_model="numpy", fastmath=set(), _nrt=False)(function)


def _key(numba: ModuleType) -> str:
    """Changes with the sources, numba and the processor."""
    parts = (numba.__version__, processor(), *(path.read_text(encoding="utf-8") for path in SOURCES))
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:20]


def _can_be_written(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False
