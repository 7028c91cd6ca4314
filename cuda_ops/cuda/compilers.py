"""Back ends cuda-nvrtc and cuda-nvcc: march.cu, compiled for the very GPU and launched through the driver (spec 07 section 4.1).

PyTorch's CUDA packages bring the compiler library NVRTC, so users need neither a toolkit nor a C++ compiler.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from ..build import SECONDS, Refusal
from ..build_cache import cache_folder, keep, kept
from ..fused_marching import Cutoffs, FusedMarcher, PackedHead, ray_by_ray
from .launch import MULTIPLE, KernelShape, Launch, kernel_source

OPTIONS = ("-std=c++17",)


class Compiler(Protocol):
    """Makes an image that the driver loads."""

    def version(self) -> str:
        """Changes whenever images may."""

    def image(self, source: str, capability: int, defines: tuple[str, ...]) -> bytes:
        """capability: 10 major + minor, such as 89. Raises Refusal."""


def load_nvrtc() -> FusedMarcher:
    """The kernel through NVRTC.

    Raises:
        Refusal: no GPU, no NVRTC, no driver.
    """
    _require_gpu()
    return gpu_marcher(Nvrtc(find_nvrtc()), Driver(_library(["nvcuda.dll"] if sys.platform == "win32" else ["libcuda.so.1"], "driver")))


def load_nvcc() -> FusedMarcher:
    """The kernel through an installed CUDA toolkit.

    Raises:
        Refusal: no GPU, no nvcc, no driver.
    """
    _require_gpu()
    nvcc = shutil.which("nvcc")
    if not nvcc:
        raise Refusal("nvcc is not installed")
    return gpu_marcher(Nvcc(nvcc), Driver(_library(["nvcuda.dll"] if sys.platform == "win32" else ["libcuda.so.1"], "driver")))


def gpu_marcher(compiler: Compiler, driver: Driver) -> FusedMarcher:
    """A marcher that compiles its kernel for every GPU and shape of decoder that it meets."""
    kernels: dict[tuple[int, KernelShape], ctypes.c_void_p] = {}

    def march_packed(head: PackedHead, cutoffs: Cutoffs, *rays: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        device = rays[0].device
        shape = KernelShape.of(head)
        launch = Launch.of(head.as_struct(), shape, cutoffs, *rays)
        with torch.cuda.device(device):
            key = (device.index, shape)
            if key not in kernels:
                major, minor = torch.cuda.get_device_capability(device)
                kernels[key] = _kernel(compiler, driver, 10 * major + minor, shape.defines())
            driver.launch(kernels[key], launch, torch.cuda.current_stream(device).cuda_stream)
        return launch.results

    return FusedMarcher(ray_by_ray(march_packed), MULTIPLE)


def _kernel(compiler: Compiler, driver: Driver, capability: int, defines: tuple[str, ...]) -> ctypes.c_void_p:
    """From the cache, or compiled now; a cache that cannot be written or that is damaged does no harm."""
    source = kernel_source()
    parts = (source, compiler.version(), str(capability), *OPTIONS, *defines)
    stem = f"march_cuda-{hashlib.sha256(chr(0).join(parts).encode()).hexdigest()[:20]}"
    if file := kept(stem, ".bin"):
        with suppress(OSError, Refusal):
            return driver.function(file.read_bytes(), b"march")
    image = compiler.image(source, capability, defines)
    function = driver.function(image, b"march")
    with suppress(OSError):
        cache_folder().mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="building-", dir=cache_folder()) as folder:
            built = Path(folder) / "image.bin"
            built.write_bytes(image)
            keep(built, stem)
    return function


@dataclass(frozen=True)
class Nvrtc:
    """NVIDIA's compiler library."""

    library: ctypes.CDLL

    def version(self) -> str:
        major, minor = ctypes.c_int(), ctypes.c_int()
        self._call("nvrtcVersion", ctypes.byref(major), ctypes.byref(minor))
        return f"nvrtc {major.value}.{minor.value}"

    def image(self, source: str, capability: int, defines: tuple[str, ...]) -> bytes:
        nearest = max((known for known in self._capabilities() if known <= capability), default=None)
        if nearest is None:
            raise Refusal(f"{self.version()} no longer compiles for GPUs of compute capability {capability / 10}")
        real = nearest == capability  # else the driver finishes PTX, which it can for newer GPUs only
        target = f"--gpu-architecture={'sm' if real else 'compute'}_{nearest}"
        options = [option.encode() for option in (target, *OPTIONS, *defines)]
        program = ctypes.c_void_p()
        self._call("nvrtcCreateProgram", ctypes.byref(program), source.encode(), b"march.cu", ctypes.c_int(0), None, None)
        try:
            try:
                self._call("nvrtcCompileProgram", program, ctypes.c_int(len(options)), (ctypes.c_char_p * len(options))(*options))
            except Refusal as failure:
                raise Refusal(f"{failure}: {self._text(program, 'ProgramLog').decode(errors='replace').strip()[:300]}") from None
            return self._text(program, "CUBIN" if real else "PTX")
        finally:
            self.library.nvrtcDestroyProgram(ctypes.byref(program))

    def _capabilities(self) -> list[int]:
        count = ctypes.c_int()
        self._call("nvrtcGetNumSupportedArchs", ctypes.byref(count))
        known = (ctypes.c_int * count.value)()
        self._call("nvrtcGetSupportedArchs", known)
        return list(known)

    def _text(self, program: ctypes.c_void_p, what: str) -> bytes:
        size = ctypes.c_size_t()
        self._call(f"nvrtcGet{what}Size", program, ctypes.byref(size))
        buffer = ctypes.create_string_buffer(size.value)
        self._call(f"nvrtcGet{what}", program, buffer)
        return buffer.raw

    def _call(self, name: str, *arguments: object) -> None:
        status = getattr(self.library, name)(*arguments)
        if status:
            raise Refusal(f"{name} failed with status {status}")


@dataclass(frozen=True)
class Nvcc:
    """The compiler of an installed CUDA toolkit."""

    program: str

    def version(self) -> str:
        return subprocess.run([self.program, "--version"], capture_output=True, text=True, timeout=SECONDS).stdout

    def image(self, source: str, capability: int, defines: tuple[str, ...]) -> bytes:
        with tempfile.TemporaryDirectory() as folder:
            text, result = Path(folder) / "march.cu", Path(folder) / "march.cubin"
            text.write_text(source, encoding="utf-8")
            command = [self.program, "-cubin", *OPTIONS, f"-arch=sm_{capability}", *defines, str(text), "-o", str(result)]
            done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=SECONDS)
            if done.returncode or not result.is_file():
                raise Refusal(f"nvcc failed: {done.stderr.strip()[:300]}")
            return result.read_bytes()


@dataclass(frozen=True)
class Driver:
    """The GPU driver's library."""

    library: ctypes.CDLL
    _modules: list = field(default_factory=list)

    def function(self, image: bytes, name: bytes) -> ctypes.c_void_p:
        """Loads an image into the current context, for as long as this process lives."""
        module, function = ctypes.c_void_p(), ctypes.c_void_p()
        self._call("cuModuleLoadData", ctypes.byref(module), ctypes.c_char_p(image))
        self._modules.append(module)
        self._call("cuModuleGetFunction", ctypes.byref(function), module, ctypes.c_char_p(name))
        return function

    def launch(self, function: ctypes.c_void_p, launch: Launch, stream: int) -> None:
        sizes = map(ctypes.c_uint, (launch.blocks, 1, 1, launch.threads, 1, 1, launch.shared_bytes))
        self._call("cuLaunchKernel", function, *sizes, ctypes.c_void_p(stream), launch.pointers(), None)

    def _call(self, name: str, *arguments: object) -> None:
        status = getattr(self.library, name)(*arguments)
        if status:
            text = ctypes.c_char_p()
            known = None if self.library.cuGetErrorString(ctypes.c_int(status), ctypes.byref(text)) else text.value
            raise Refusal(f"{name} failed: {known.decode() if known else f'status {status}'}")


def find_nvrtc() -> ctypes.CDLL:
    """NVRTC of the same CUDA as PyTorch's: already loaded, of NVIDIA's packages, beside PyTorch, or of a toolkit.

    Raises:
        Refusal: it is nowhere.
    """
    major = str(torch.version.cuda).partition(".")[0]
    windows = sys.platform == "win32"
    name = f"nvrtc64_{major}0_0.dll" if windows else f"libnvrtc.so.{major}"
    folders = list(_folders())
    for folder in folders:  # NVRTC asks for its built-in functions by name, and packages do not tell it where they are
        for builtins in sorted(folder.glob(f"nvrtc-builtins64_{major}*.dll" if windows else f"libnvrtc-builtins.so.{major}*")):
            with suppress(OSError):
                ctypes.CDLL(str(builtins), mode=ctypes.RTLD_GLOBAL)
    return _library([name, *(str(folder / name) for folder in folders)], f"NVRTC ({name})")


def _folders() -> Iterator[Path]:
    torch_folder = Path(torch.__file__).parent
    for pattern in ("*/lib", "*/bin", "*/bin/*"):
        yield from sorted((torch_folder.parent / "nvidia").glob(pattern))
    yield torch_folder / "lib"
    if toolkit := os.environ.get("CUDA_PATH") or os.environ.get("CUDA_HOME"):
        yield from (Path(toolkit) / folder for folder in ("lib64", "bin", "bin/x64"))


def _library(names: list[str], what: str) -> ctypes.CDLL:
    for name in names:
        try:
            return ctypes.CDLL(name)
        except OSError:
            continue
    raise Refusal(f"the library of the {what} was not found")


def _require_gpu() -> None:
    if not torch.cuda.is_available() or not torch.version.cuda:
        raise Refusal("PyTorch sees no NVIDIA GPU")
