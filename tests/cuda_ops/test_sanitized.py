"""Compiled code reads and writes nothing that is not its own, whatever it is given."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cuda_ops import build
from cuda_ops.build import Refusal

ROOT = Path(__file__).resolve().parents[2]
BEFORE = f"""
import sys
import torch
sys.path.insert(0, {str(Path(__file__).with_name("cpu"))!r})
from scenes import soft_scene, solid_scene, trigrid_scene
from real3d_core.render import MarchSettings, march_table
torch.set_num_threads(1)
SANITIZED = ("-O0", "-g1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
"""
PARTS = {
    "the C++ twin of ray marching": """
from cuda_ops.cpu import extension
marcher = extension.load(("-march=native", "-fopenmp", *SANITIZED))
scenes = [soft_scene(MarchSettings(7, 16, 9)), soft_scene(MarchSettings(5, 4, 0)), solid_scene(MarchSettings(9, 16, 16))]
for scene in (*scenes, trigrid_scene(MarchSettings(5, 16, 9), 3, 24, 17)):
    for one in (marcher, marcher.exact()):
        render, expected = (m(scene.planes, scene.decoder, scene.cameras, scene.settings) for m in (one, march_table))
        assert (render.features - expected.features).abs().mean() < 1e-4
""",
    "what composes frames": """
from types import SimpleNamespace
from test_eyes import eye
from test_mouth import KINDS, mouth
from cuda_ops.cpu import eyes_extension, mouth_extension, paint_extension, ray_places_extension
from real3d_core.analytic.eyes import EyePose
from real3d_core.analytic.painting import FrameLayers
from real3d_core.analytic.ray_maps import FrameRays
from real3d_core.render.ray_marching import HeadRender
numbers = lambda *shape, low=0.0, high=1.0: low + (high - low) * torch.rand(shape)
painting, places_by = paint_extension.load(SANITIZED), ray_places_extension.load(SANITIZED)
for first_row, carried in ((0, 0.1), (49, 5)):
    torso, cells, box = numbers(1, 4, 33, 33), torch.ones(3, 3, dtype=torch.bool), (slice(4, 37), slice(9, 50))
    shifts, outline = numbers(3, 9, 9, low=-carried, high=carried), numbers(3, 16, 16, high=2)
    layers = FrameLayers(torso, first_row, cells, shifts, box, numbers(5, 33, 41), outline, 0.9)
    painting.paint(layers, numbers(3, 50, 50), numbers(3, 50, 50), True)
anywhere = torch.cat([numbers(2, 16, 15, low=-9, high=9), torch.full((2, 16, 1), float("nan"))], dim=2)
for size in (16, 32, 50):
    painting.look_up_rays(numbers(1, 5, 21, 30), anywhere, size, (slice(0, 16), slice(1, size)), numbers(16, 16) > 0.9)
far_side = SimpleNamespace(rim=numbers(1, 3, 16, 16), front=numbers(1, 4, 32, 32), photo_axes=numbers(3, 2), per_world=2.0)
maps = {"rim": numbers(1, 3, 16, 16), "residual": numbers(1, 2, 16, 16), "in_place": numbers(6, 16, 16), "reached": numbers(1, 16, 16)}
for nothing in (False, True):
    opacity = numbers(1, 1, 16, 16, high=2).clamp(max=1) * (not nothing)
    render = HeadRender(numbers(1, 32, 16, 16, low=-2, high=2), numbers(1, 1, 16, 16), opacity, numbers(1, 25))
    places_by(SimpleNamespace(**maps, far_side=far_side))(FrameRays(render))
    render.features[..., 3] = float("nan")
    places_by(SimpleNamespace(**maps, far_side=far_side))(FrameRays(render))
between_lips = mouth_extension.load(SANITIZED)
for kind in KINDS.values():
    skull, jaw, below, slant = (readable := mouth(**kind)).some_places()
    for far in (1.0, 1e9, float("nan")):
        between_lips(readable)(skull * far, jaw, below, slant)
        between_lips(readable)(skull, jaw * far, below * far, slant)
paint_eye = eyes_extension.load(SANITIZED)(eye())
for number in (0.0, 0.7, -1e9, 1e9, float("inf"), float("nan")):
    for pose in ((number, 0.0, 0.0), (0.0, number, 0.0), (0.0, 0.5, number)):
        paint_eye(EyePose((pose[0], -pose[0]), pose[1], pose[2], 0.5))
""",
    "the CUDA kernel": """
import cuda_emulation
marcher = cuda_emulation.load(("-ffp-contract=off", *SANITIZED))
scenes = (soft_scene(MarchSettings(3, 16, 9)), solid_scene(MarchSettings(3, 16, 16)), trigrid_scene(MarchSettings(3, 16, 9), 3, 24, 17))
for scene in scenes:
    for one in (marcher, marcher.exact()):
        render, expected = (m(scene.planes, scene.decoder, scene.cameras, scene.settings) for m in (one, march_table))
        assert (render.features - expected.features).abs().max() < 1e-4
""",
}


@pytest.fixture(scope="module")
def sanitized(tmp_path_factory) -> subprocess.CompletedProcess:
    """All parts one after the other, in one process that finds errors in code built with -fsanitize: it takes long to start."""
    try:
        compiler = build._compiler()[0]
    except Refusal as reason:
        pytest.skip(str(reason))
    found = subprocess.run([compiler, "-print-file-name=libasan.so"], capture_output=True, text=True).stdout.strip()
    if not Path(found).is_absolute():
        pytest.skip("this compiler brings no address sanitizer")
    environment = {
        **os.environ,
        **{"REAL3D_CACHE": str(tmp_path_factory.mktemp("sanitized")), "OMP_NUM_THREADS": "1", "LD_PRELOAD": found},
        **{"ASAN_OPTIONS": "detect_leaks=0:detect_stack_use_after_return=0", "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"},
    }
    script = BEFORE + "".join(f"{part}print({name!r}, flush=True)\n" for name, part in PARTS.items())
    return subprocess.run([sys.executable, "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True)


@pytest.mark.parametrize("name", PARTS)
def test_no_address_or_undefined_behaviour_error(sanitized, name):
    assert name in sanitized.stdout.splitlines(), sanitized.stderr[-3000:]
