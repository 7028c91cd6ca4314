"""Back end cpu-numba: march_numba.py, compiled by numba where there is no C++ compiler."""

from __future__ import annotations

import hashlib
import logging
import shutil
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
from torch import Tensor

from ..build import Refusal, processor
from ..build_cache import cache_folder, is_sealed, seal
from ..fused_marching import Cutoffs, FusedMarcher, PackedHead, results_for

MULTIPLE = 16  # the widest vectors
RAYS_AT_ONCE = 256  # of a thread
WHERE = ("across_axis", "across_length", "down_axis", "down_length", "start")
SCALES = ("across_scale", "across_shift", "down_scale", "down_shift")
STACKS = ("through_axis", "through_length", "through_scale", "through_shift")
SOURCES = tuple(Path(__file__).with_name(name) for name in ("march_numba.py", "polynomials.py"))

_log = logging.getLogger(__name__)


def load() -> FusedMarcher:
    """Compiles it or takes it from the cache.

    Raises:
        Refusal: numba is not installed.
    """
    kernel_of = cache(_kernel)
    kernel_of(False)

    def march_packed(head: PackedHead, cutoffs: Cutoffs, *rays: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        decoder, results = head.decoder, results_for(rays[0])
        windows, scales, stacks = (
            np.array([[getattr(window, name) for name in names] for window in head.windows], kind)
            for names, kind in ((WHERE, np.int32), (SCALES, np.float32), (STACKS, np.float32))
        )
        trigrid = head.windows[0].through_length > 0
        by_four = decoder.to_colour.T.unflatten(0, (-1, 4))
        to_colour = (part.contiguous() for part in (by_four[..., : decoder.early_units], by_four[..., decoder.early_units :]))
        weights = (
            decoder.to_density,
            decoder.density_bias,
            *to_colour,
            decoder.colour_bias.repeat(2, 1),
            decoder.constant,
            decoder.outputs,
        )
        arguments = (
            head.early,
            head.late,
            *weights,
            windows,
            scales,
            stacks if trigrid else stacks[:0, 0],
            *rays,
            cutoffs.stop_below,
            cutoffs.colour_above,
        )
        numbers, outputs = ([part.numpy() if isinstance(part, Tensor) else part for part in group] for group in (arguments, results))
        count = len(rays[0])
        kernel = kernel_of(trigrid)

        def march_some(first: int, some: int = RAYS_AT_ONCE) -> None:
            with denormals_flushed():
                kernel(*numbers, first, min(first + some, count), *outputs)

        if torch.get_num_threads() == 1:
            march_some(0, count)
            return results
        with ThreadPoolExecutor(torch.get_num_threads()) as threads:
            list(threads.map(march_some, range(0, count, RAYS_AT_ONCE)))
        return results

    return FusedMarcher(march_packed, MULTIPLE)


@contextmanager
def denormals_flushed() -> Iterator[None]:
    """Numbers below 1.2e-38 are zeros in this thread meanwhile: they cost a processor a hundred times what others do."""
    already = not torch.tensor(1e-40).mul(1).item()
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(already)


def _kernel(trigrid: bool = False) -> Callable[..., None]:
    """The compiled function for triplanes or for trigrids; kept on disk if the cache folder can be written."""
    try:
        numba = import_module("numba")
        source = import_module(".march_numba", __package__)
    except ImportError as failure:
        raise Refusal(f"numba is not installed or does not work here ({failure})") from None
    _log.info("numba compiles ray marching for this processor, unless it is in the cache; that takes some seconds")
    signature = source.TRIGRID_SIGNATURE if trigrid else source.SIGNATURE
    folder = cache_folder() / f"numba-{_key(numba)}"
    if not is_sealed(folder):
        shutil.rmtree(folder, ignore_errors=True)
    if _can_be_written(folder):
        before = numba.config.CACHE_DIR
        numba.config.CACHE_DIR = str(folder)
        try:
            compiled = _compile(numba, source, signature, cache=True)
            if not is_sealed(folder):
                seal(folder)
            return compiled
        except Exception as failure:  # what numba kept may be damaged in any way
            _log.debug("numba's cache in '%s' cannot be used: %s", folder, failure)
        finally:
            numba.config.CACHE_DIR = before
    return _compile(numba, source, signature, cache=False)


def _compile(numba: ModuleType, source: ModuleType, signature: str, cache: bool) -> Callable[..., None]:
    # No threads of numba's own: its simplest kind ends the whole program when two of Python's threads march at the same time.
    return numba.njit(signature, nogil=True, cache=cache, **source.STRICT)(source.march)


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
