"""What is special about the C++ twin: vector widths and sanitizers."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from scenes import soft_scene

from cuda_ops import build, cpu_ext
from cuda_ops.refusal import Refusal
from real3d_core.render import MarchSettings, march

ROOT = Path(__file__).resolve().parents[2]
QUICK = MarchSettings(resolution=19, coarse=16, fine=16)


@pytest.mark.parametrize("flags", [(), ("-mavx",), ("-mavx2", "-mfma")], ids=["baseline", "avx", "avx2"])
def test_other_vector_widths_give_the_same_numbers(tmp_path, monkeypatch, flags):
    wanted = {flag.removeprefix("-m") for flag in flags}
    if not wanted <= set(build._processor().split()):
        pytest.skip(f"this processor has no {' and '.join(sorted(wanted))}")
    monkeypatch.setenv("REAL3D_CACHE", str(tmp_path))
    try:
        marcher = cpu_ext.load(flags).exact()
    except Refusal as reason:
        pytest.skip(str(reason))
    scene = soft_scene(QUICK)
    plain, fast = (marching(scene.planes, scene.decoder, scene.cameras, scene.settings) for marching in (march, marcher))
    assert (plain.features - fast.features).abs().max() < 2e-5
    assert (plain.opacity - fast.opacity).abs().max() < 2e-5


SANITIZED = """
import torch
from scenes import soft_scene, solid_scene
from cuda_ops import cpu_ext
from real3d_core.render import MarchSettings, march_table
from dataclasses import replace
torch.set_num_threads(1)
marcher = cpu_ext.load(("-march=native", "-fopenmp", "-O1", "-g1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"))
for scene in (soft_scene(MarchSettings(7, 16, 9)), soft_scene(MarchSettings(5, 4, 0)), solid_scene(MarchSettings(9, 16, 16))):
    for one in (marcher, marcher.exact()):
        render, expected = (m(scene.planes, scene.decoder, scene.cameras, scene.settings) for m in (one, march_table))
        assert (render.features - expected.features).abs().mean() < 1e-4
print("clean")
"""


def test_no_address_or_undefined_behaviour_error(tmp_path):
    try:
        found = subprocess.run([build._compiler()[0], "-print-file-name=libasan.so"], capture_output=True, text=True).stdout.strip()
    except Refusal as reason:
        pytest.skip(str(reason))
    if not Path(found).is_absolute():
        pytest.skip("this compiler brings no address sanitizer")
    environment = {
        **{"PATH": str(Path(build._compiler()[0]).parent) + ":/usr/bin:/bin", "REAL3D_CACHE": str(tmp_path), "OMP_NUM_THREADS": "1"},
        **{"LD_PRELOAD": found, "ASAN_OPTIONS": "detect_leaks=0", "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"},
    }
    done = subprocess.run([sys.executable, "-c", SANITIZED], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.stdout.strip() == "clean", done.stderr[-3000:]


def test_positions_of_their_own_for_every_ray(marchers):
    scene = soft_scene(replace(QUICK, seed=1))
    marcher = marchers("cpu-ext").exact()
    plain, fast = (marching(scene.planes, scene.decoder, scene.cameras, scene.settings, 5) for marching in (march, marcher))
    assert torch.allclose(plain.features, fast.features, atol=2e-5)
