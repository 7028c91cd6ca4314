"""No input ends a process or draws garbage: every compiled back end draws them in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = """
import sys
from dataclasses import replace
import torch
from scenes import soft_scene, trigrid_scene
from cuda_ops.back_ends import BACK_ENDS
from real3d_core.errors import Real3DError
from real3d_core.render import MarchSettings, PlaneDecoder, march
import cuda_emulation

marcher = {"cuda-emulated": cuda_emulation.load, **{one.name: one.load for one in BACK_ENDS}}[sys.argv[1]]()
scene = soft_scene(MarchSettings(5, 16, 16))
NO_FINER = MarchSettings(5, 16, 8)
head, decoder, cameras = scene.planes, scene.decoder, scene.cameras


def drawn_by(march, features, decoder, cameras, settings=scene.settings):
    return march(replace(head, features=features), decoder, cameras, settings)


def agrees(features=head.features, decoder=decoder, cameras=cameras):
    expected, found = (drawn_by(one, features, decoder, cameras) for one in (march, marcher))
    for part in ("features", "opacity"):
        assert (getattr(expected, part) - getattr(found, part)).abs().max() <= 1e-4, part


def refused(*arguments):
    try:
        drawn_by(marcher, *arguments)
    except Real3DError as reason:
        assert len(str(reason)) < 300
    else:
        raise AssertionError("not refused")


def converted(kind):
    return PlaneDecoder(*(part.to(kind) for part in vars(decoder).values()))


"""
CASES = {
    "narrow numbers": """
for kind in (torch.float16, torch.bfloat16):
    agrees(features=head.features.to(kind))
    agrees(decoder=converted(kind))
    agrees(cameras=cameras.to(kind))
""",
    "wide numbers": """
refused(head.features.double(), decoder, cameras)
refused(head.features, converted(torch.float64), cameras)
refused(head.features, decoder, cameras.double())
""",
    "other shapes": """
refused(head.features[:, :, :16], decoder, cameras)
refused(head.features[:, :, :, :0], decoder, cameras)
refused(head.features, replace(decoder, weight1=decoder.weight1[:, :16]), cameras)
refused(head.features, replace(decoder, weight2=decoder.weight2[:4]), cameras)
refused(head.features, decoder, cameras[:, :16])
""",
    "strides": """
agrees(features=head.features.mT)
agrees(features=head.features[..., ::2, ::2])
agrees(features=head.features.flatten(0, 1).contiguous(memory_format=torch.channels_last).unflatten(0, (1, 3)))
agrees(features=torch.zeros(1, 3, 32, 1, 1).expand(1, 3, 32, 64, 40))
agrees(decoder=PlaneDecoder(*(part.T.contiguous().T for part in vars(decoder).values())))
agrees(features=torch._neg_view(-head.features))
""",
    "no numbers": """
for number in (torch.nan, torch.inf, -torch.inf):
    everywhere, half = torch.full_like(head.features, number), head.features.clone()
    half[0, 0, :, :, 128:] = number
    for features in (everywhere, half):
        expected, found = (drawn_by(one, features, decoder, cameras, NO_FINER) for one in (march, marcher))
        assert all(part.isfinite().all() for part in (found.features, found.opacity, found.depth))
        seen = expected.opacity > 0
        assert (expected.opacity - found.opacity)[seen].abs().max() <= 1e-4 if seen.any() else (found.opacity == 0).all()
for broken in (replace(decoder, weight1=decoder.weight1 * torch.nan), replace(decoder, bias2=decoder.bias2 * torch.nan)):
    assert (drawn_by(marcher, head.features, broken, cameras).opacity == 0).all()
""",
    "trigrids": """
head = trigrid_scene(scene.settings, 3, 20, 24).planes
by_plane = head.features.flatten(0, 1)
agrees(features=head.features.mT)
agrees(features=head.features.bfloat16())
agrees(features=head.features[..., ::2, ::2])
agrees(features=by_plane.contiguous(memory_format=torch.channels_last).unflatten(0, (1, 3)))
agrees(features=torch.zeros(1, 3, 96, 1, 1).expand(1, 3, 96, 1, 30))
refused(head.features[:, :, :80], decoder, cameras)
refused(torch.zeros(1, 3, 32 * 65, 4, 4), decoder, cameras)
layer, every = head.features.clone(), marcher.exact()
layer[0, 2, 2::3] = torch.nan
expected, found = (drawn_by(one, layer, decoder, cameras, NO_FINER) for one in (march, every))
assert (expected.opacity - found.opacity).abs().max() <= 2e-5 and found.features.isfinite().all()
""",
    "gradients": """
features = head.features.clone().requires_grad_()
gradients = []
for one in (march, marcher):
    features.grad = None
    drawn_by(one, features, decoder, cameras).features.square().sum().backward()
    gradients.append(features.grad)
assert gradients[0].abs().max() > 0 and torch.equal(*gradients)
with torch.no_grad():
    agrees(features=features)
""",
}


RUN = """
for name, case in cases.items():
    print(name, flush=True)
    exec(case, dict(globals()))
"""


def test_bad_inputs(marchers, kernel):
    marchers(kernel)  # built, or skipped
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"}
    command = [sys.executable, "-c", f"{SCRIPT}cases = {CASES!r}\n{RUN}", kernel]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, f"{done.stdout.splitlines()[-1:]} {done.stderr[-2000:]}"
    assert done.stdout.splitlines() == list(CASES)
