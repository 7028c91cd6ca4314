"""The way from source to a launch, with a stand-in for NVIDIA's libraries whose launches run the emulated kernel."""

import ctypes
from contextlib import nullcontext
from types import SimpleNamespace

import cuda_emulation
import pytest
import torch
from scenes import soft_scene, solid_scene

from cuda_ops import back_ends
from cuda_ops.back_ends import BackEnd
from cuda_ops.build import Refusal
from cuda_ops.cuda import compilers
from cuda_ops.cuda.compilers import Driver, Nvrtc, gpu_marcher
from cuda_ops.cuda.launch import WARPS
from real3d_core.render import MarchSettings, march, march_table

QUICK = MarchSettings(resolution=3, coarse=8, fine=8)
CUBIN, PTX = b"cubin of ", b"ptx of "


class FakeNvrtc:
    """Its images name what they were compiled with."""

    def __init__(self, capabilities=(75, 80, 86, 89, 90, 100, 120), complaint=b""):
        self.capabilities, self.complaint, self.compiled = capabilities, complaint, []

    def nvrtcVersion(self, major, minor):
        major._obj.value, minor._obj.value = 13, 0
        return 0

    def nvrtcGetNumSupportedArchs(self, count):
        count._obj.value = len(self.capabilities)
        return 0

    def nvrtcGetSupportedArchs(self, known):
        known[:] = self.capabilities
        return 0

    def nvrtcCreateProgram(self, program, source, name, *_):
        assert b"#include" not in source
        return 0

    def nvrtcCompileProgram(self, program, count, options):
        self.compiled.append([option.decode() for option in options])
        return 6 if self.complaint else 0

    def nvrtcDestroyProgram(self, program):
        return 0

    def __getattr__(self, name):
        text = self.complaint if "Log" in name else (PTX if "PTX" in name else CUBIN) + " ".join(self.compiled[-1]).encode()

        def size(program, size):
            size._obj.value = len(text)
            return 0

        def copy(program, buffer):
            buffer.raw = text
            return 0

        return size if name.endswith("Size") else copy


class FakeDriver:
    """Loads images of FakeNvrtc; its kernels are the emulated ones. failing: a function that returns an error, and which call of it."""

    def __init__(self, failing="", at_call=1):
        self.failing, self.left, self.images, self.launches = failing, at_call, [], []

    def _status(self, name):
        if name != self.failing:
            return 0
        self.left -= 1
        return 719 if self.left <= 0 else 0

    def cuModuleLoadData(self, module, image):
        if not image.value.startswith((CUBIN, PTX)):
            return 200
        self.images.append(image.value.decode())
        module._obj.value = len(self.images)
        return self._status("cuModuleLoadData")

    def cuModuleGetFunction(self, function, module, name):
        assert name.value == b"march"
        function._obj.value = module.value
        return self._status("cuModuleGetFunction")

    def cuLaunchKernel(self, function, *rest):
        (blocks, y, z, threads, _, _, shared), (stream, arguments, extra) = [size.value for size in rest[:7]], rest[7:]
        assert (y, z, extra) == (1, 1, None) and threads % 32 == 0 and stream.value == 77
        self.launches.append(blocks)
        if status := self._status("cuLaunchKernel"):
            return status
        defines = tuple(word for word in self.images[function.value - 1].split() if word.startswith("-D"))
        return cuda_emulation.emulated(defines)(blocks, threads, shared, arguments)

    def cuGetErrorString(self, status, text):
        text._obj.value = b"unspecified launch failure"
        return 0


@pytest.fixture(autouse=True)
def a_gpu(monkeypatch, tmp_path):
    """What the loader asks PyTorch about the GPU."""
    monkeypatch.setenv("REAL3D_CACHE", str(tmp_path))
    monkeypatch.setattr(torch.cuda, "device", lambda device: nullcontext())
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (8, 9))
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: SimpleNamespace(cuda_stream=77))
    return tmp_path


def picture(marcher, scene):
    return marcher(scene.planes, scene.decoder, scene.cameras, scene.settings)


def chosen_with(monkeypatch, compiler, driver):
    """Renders by whatever is chosen where only this GPU back end and torch exist; the choice before and after, and the log."""
    monkeypatch.setattr(back_ends, "_chosen", {})
    some = BackEnd("cuda-nvrtc", "cpu", lambda: gpu_marcher(compiler, driver))
    monkeypatch.setattr(back_ends, "BACK_ENDS", (some, back_ends.BACK_ENDS[-1]))
    scene = soft_scene(QUICK)
    first = back_ends.chosen().name
    render = picture(back_ends.march, scene)
    assert (render.features - picture(march_table, scene).features).abs().max() < 1e-4
    return first, back_ends.chosen().name


def test_source_compiled_loaded_and_launched():
    nvrtc, driver = FakeNvrtc(), FakeDriver()
    marcher = gpu_marcher(Nvrtc(nvrtc), Driver(driver)).exact()
    for scene in (soft_scene(QUICK), soft_scene(QUICK), solid_scene(QUICK)):
        plain = picture(march, scene)
        fast = picture(marcher, scene)
        assert (plain.features - fast.features).abs().max() < 2e-5
    assert len(nvrtc.compiled) == 2, "once for each shape of decoder"
    assert nvrtc.compiled[0][0] == "--gpu-architecture=sm_89"
    assert driver.launches[0] == -(-9 // WARPS)


def test_the_next_process_compiles_nothing(a_gpu):
    for expected in (1, 0):
        nvrtc = FakeNvrtc()
        picture(gpu_marcher(Nvrtc(nvrtc), Driver(FakeDriver())), soft_scene(QUICK))
        assert len(nvrtc.compiled) == expected
    assert len(list(a_gpu.glob("march_cuda-*"))) == 1


def test_a_damaged_image_in_the_cache_is_made_again(a_gpu):
    picture(gpu_marcher(Nvrtc(FakeNvrtc()), Driver(FakeDriver())), soft_scene(QUICK))
    (kept,) = a_gpu.glob("march_cuda-*")
    kept.write_bytes(b"damaged")
    picture(gpu_marcher(Nvrtc(FakeNvrtc()), Driver(FakeDriver())), soft_scene(QUICK))
    assert kept.read_bytes().startswith(CUBIN)


def test_a_cache_that_can_not_be_written_does_no_harm(a_gpu, monkeypatch):
    (a_gpu / "file").write_text("")
    monkeypatch.setenv("REAL3D_CACHE", str(a_gpu / "file" / "below"))
    monkeypatch.setattr(cuda_emulation, "emulated", lambda defines: lambda *launch: 0)  # it builds in the same folder
    nvrtc = FakeNvrtc()
    picture(gpu_marcher(Nvrtc(nvrtc), Driver(FakeDriver())), soft_scene(QUICK))
    assert len(nvrtc.compiled) == 1


def test_a_gpu_newer_than_the_compiler_gets_code_that_its_driver_finishes():
    nvrtc, driver = FakeNvrtc(capabilities=(75, 80, 86)), FakeDriver()
    picture(gpu_marcher(Nvrtc(nvrtc), Driver(driver)), soft_scene(QUICK))
    assert nvrtc.compiled[0][0] == "--gpu-architecture=compute_86"
    assert driver.images[0].startswith(PTX.decode())


def test_a_gpu_between_those_that_the_compiler_knows_gets_code_of_the_older_one(monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (8, 7))
    nvrtc = FakeNvrtc()
    picture(gpu_marcher(Nvrtc(nvrtc), Driver(FakeDriver())), soft_scene(QUICK))
    assert nvrtc.compiled[0][0] == "--gpu-architecture=compute_86"


def test_a_gpu_older_than_the_compiler_is_left_to_torch(monkeypatch, caplog):
    assert chosen_with(monkeypatch, Nvrtc(FakeNvrtc(capabilities=(90, 100))), Driver(FakeDriver())) == ("torch", "torch")


def test_source_that_does_not_compile(monkeypatch, caplog):
    caplog.set_level("INFO")
    assert chosen_with(monkeypatch, Nvrtc(FakeNvrtc(complaint=b"march.cu(1): error")), Driver(FakeDriver())) == ("torch", "torch")
    assert caplog.text.count("march.cu(1): error") == 1


@pytest.mark.parametrize("call", ["cuModuleLoadData", "cuModuleGetFunction", "cuLaunchKernel"])
def test_a_driver_that_fails(monkeypatch, caplog, call):
    caplog.set_level("INFO")
    assert chosen_with(monkeypatch, Nvrtc(FakeNvrtc()), Driver(FakeDriver(failing=call))) == ("torch", "torch")
    assert len(caplog.records) == 1 and "unspecified launch failure" in caplog.text


def test_a_launch_that_fails_later(monkeypatch, caplog):
    assert chosen_with(monkeypatch, Nvrtc(FakeNvrtc()), Driver(FakeDriver("cuLaunchKernel", at_call=2))) == ("cuda-nvrtc", "torch")
    assert caplog.text.count("unspecified launch failure") == 1


def test_more_samples_than_a_block_has_memory_for():
    marcher = gpu_marcher(Nvrtc(FakeNvrtc()), Driver(FakeDriver()))
    many = soft_scene(MarchSettings(1, 300, 300))
    assert (picture(marcher, many).features - picture(march_table, many).features).abs().max() < 1e-4
    with pytest.raises(Refusal, match="too many"):
        picture(marcher, soft_scene(MarchSettings(1, 4000, 4000)))


def test_no_gpu_no_nvrtc(monkeypatch, tmp_path):
    if not torch.cuda.is_available():
        for load in (compilers.load_nvrtc, compilers.load_nvcc):
            with pytest.raises(Refusal, match="no NVIDIA GPU"):
                load()
    monkeypatch.setattr(torch.version, "cuda", "99.0")
    with pytest.raises(Refusal, match=r"NVRTC \(.*99"):
        compilers.find_nvrtc()


def test_nvrtc_beside_pytorch_is_found(monkeypatch, tmp_path):
    opened = []

    def only_there(name, mode=ctypes.DEFAULT_MODE):
        opened.append((name, mode))
        if "nvidia" not in name:
            raise OSError
        return "found"

    folder = tmp_path / "nvidia" / "cu99" / "lib"
    folder.mkdir(parents=True)
    for builtins in ("libnvrtc-builtins.so.99.0", "nvrtc-builtins64_990.dll"):
        (folder / builtins).write_bytes(b"")
    monkeypatch.setattr(torch, "__file__", str(tmp_path / "torch" / "__init__.py"))
    monkeypatch.setattr(torch.version, "cuda", "99.0")
    monkeypatch.setattr(ctypes, "CDLL", only_there)
    assert compilers.find_nvrtc() == "found"
    (builtins, mode), (by_name, _), (by_place, _) = opened
    assert "builtins" in builtins and mode == ctypes.RTLD_GLOBAL, "its built-in functions first: it does not find them itself"
    assert "99" in by_name and by_place.startswith(str(folder))
