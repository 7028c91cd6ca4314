"""What is special about the C++ twin: vector widths."""

from dataclasses import replace

import pytest
import torch
from scenes import soft_scene

from cuda_ops import build
from cuda_ops.build import Refusal
from cuda_ops.cpu import extension
from real3d_core.render import MarchSettings, march

QUICK = MarchSettings(resolution=19, coarse=16, fine=16)


@pytest.mark.parametrize("flags", [(), ("-O1", "-mavx"), ("-O1", "-mavx2", "-mfma")], ids=["baseline", "avx", "avx2"])
def test_other_vector_widths_give_the_same_numbers(tmp_path, monkeypatch, flags):
    wanted = {flag.removeprefix("-m") for flag in flags if flag.startswith("-m")}
    if not wanted <= set(build.processor().split()):
        pytest.skip(f"this processor has no {' and '.join(sorted(wanted))}")
    monkeypatch.setenv("REAL3D_CACHE", str(tmp_path))
    try:
        marcher = extension.load(flags).exact()
    except Refusal as reason:
        pytest.skip(str(reason))
    scene = soft_scene(QUICK)
    plain, fast = (marching(scene.planes, scene.decoder, scene.cameras, scene.settings) for marching in (march, marcher))
    assert (plain.features - fast.features).abs().max() < 2e-5
    assert (plain.opacity - fast.opacity).abs().max() < 2e-5


def test_positions_of_their_own_for_every_ray(marchers):
    scene = soft_scene(replace(QUICK, seed=1))
    marcher = marchers("cpu-ext").exact()
    plain, fast = (marching(scene.planes, scene.decoder, scene.cameras, scene.settings, 5) for marching in (march, marcher))
    assert torch.allclose(plain.features, fast.features, atol=2e-5)
