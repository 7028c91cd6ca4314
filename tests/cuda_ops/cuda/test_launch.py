"""The CUDA kernel's own source: run under an emulation of its warps, and compiled for every architecture (spec 07 section 6)."""

import re
import shutil
import subprocess
from dataclasses import replace

import cuda_emulation
import pytest
from scenes import golden_scene, soft_scene, solid_scene

from cuda_ops.build import Refusal
from cuda_ops.cpu import extension
from cuda_ops.cuda import launch
from cuda_ops.cuda.launch import WARPS, KernelShape, kernel_source
from cuda_ops.fused_marching import STRUCT_BYTES
from real3d_core.render import MarchSettings, march

QUICK = MarchSettings(resolution=5, coarse=16, fine=16)
ARCHITECTURES = ("sm_75", "sm_80", "sm_86", "sm_89", "sm_90", "sm_100", "sm_120")


@pytest.fixture(scope="module")
def emulated(marchers):
    return marchers("cuda-emulated")


def agrees(marcher, scene):
    plain = march(scene.planes, scene.decoder, scene.cameras, scene.settings)
    for one, bound in ((marcher.exact(), 2e-5), (marcher, 1e-4)):
        fast = one(scene.planes, scene.decoder, scene.cameras, scene.settings)
        assert (plain.features - fast.features).abs().max() <= bound
        assert (plain.opacity - fast.opacity).abs().max() <= bound
        visible = plain.opacity > 0.01
        assert max((plain.depth - fast.depth)[visible].abs().tolist(), default=0) <= 1e-4
    return True


@pytest.mark.parametrize(
    "settings",
    [
        QUICK,
        replace(QUICK, resolution=1),
        replace(QUICK, resolution=3, coarse=48, fine=48),
        replace(QUICK, resolution=3, coarse=96, fine=96),
        replace(QUICK, coarse=7, fine=50),
        replace(QUICK, coarse=4, fine=0),
        replace(QUICK, coarse=32, fine=1),
        replace(QUICK, seed=3),
    ],
    ids=str,
)
def test_the_kernel_draws_a_head(emulated, settings):
    assert settings.resolution == 1 or settings.resolution**2 % WARPS
    assert agrees(emulated, soft_scene(settings))


def test_the_kernel_draws_noise_and_rays_that_miss(emulated):
    for name in ("renderer_256", "renderer_64_wide"):
        scene = golden_scene(name)
        assert agrees(emulated, replace(scene, settings=replace(scene.settings, resolution=4, coarse=16, fine=16)))


def test_the_kernel_draws_a_solid_with_late_units(emulated):
    assert agrees(emulated, solid_scene(replace(QUICK, resolution=9)))


@pytest.mark.parametrize("density", [-100.0, 100.0], ids=["empty", "wall"])
def test_the_kernel_draws_nothing_and_a_wall(emulated, density):
    scene = soft_scene(QUICK)
    bias2 = scene.decoder.bias2.clone()
    bias2[0] += density
    assert agrees(emulated, replace(scene, decoder=replace(scene.decoder, bias2=bias2)))


@pytest.mark.parametrize("at_once", [1, 2, 8])
def test_another_number_of_samples_at_once_draws_the_same(monkeypatch, at_once):
    monkeypatch.setattr(launch, "AT_ONCE", at_once)
    assert agrees(cuda_emulation.load(), soft_scene(replace(QUICK, resolution=3)))


def test_a_struct_of_another_size_does_not_compile(monkeypatch, tmp_path):
    monkeypatch.setenv("REAL3D_CACHE", str(tmp_path))
    monkeypatch.setitem(STRUCT_BYTES, "HEAD_BYTES", STRUCT_BYTES["HEAD_BYTES"] + 8)
    for load in (cuda_emulation.load, extension.load):
        with pytest.raises(Refusal, match="other fields"):
            load()


def test_the_source_needs_no_header():
    assert "#include" not in kernel_source()


def test_every_function_of_the_kernel_fits_on_a_page():
    bodies = re.findall(r"^[^\s#/][^;{}]*\) \{\n(.*?)^\}", kernel_source(), re.DOTALL | re.MULTILINE)
    assert len(bodies) > 10 and max(body.count("\n") for body in bodies) <= 60


@pytest.mark.parametrize(
    "shape", [KernelShape(64, 0, 32), KernelShape(32, 32, 32), KernelShape(64, 0, 32, True)], ids=["trained", "built in", "trigrid"]
)
def test_every_architecture_compiles_without_spills(tmp_path, shape):
    nvcc = shutil.which("nvcc")
    if not nvcc:
        pytest.skip("nvcc is not installed: the kernel was not compiled for any architecture")
    known = subprocess.run([nvcc, "--list-gpu-code"], capture_output=True, text=True).stdout.split()
    wanted = [name for name in ARCHITECTURES if name in known]
    assert len(wanted) >= 3
    source = tmp_path / "march.cu"
    source.write_text(kernel_source())
    targets = [f"-gencode=arch=compute_{name[3:]},code={name}" for name in wanted]
    command = [nvcc, "--fatbin", "--threads", "2", "--ptxas-options=-v", *targets, *shape.defines(), str(source)]
    done = subprocess.run([*command, "-o", str(tmp_path / "march.fatbin")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    registers = [int(number) for number in re.findall(r"Used (\d+) registers", done.stderr)]
    spills = {int(number) for number in re.findall(r"(\d+) bytes spill", done.stderr)}
    assert len(registers) == len(wanted) and max(registers) <= 128
    assert spills == {0}
