"""The table of a head as compiled code fills it: PyTorch's."""

import pytest
import torch
from scenes import golden_scene, soft_scene, solid_scene, trigrid_scene

from cuda_ops.fused_marching import PackedDecoder, PackedHead, project_by_torch
from real3d_core.render import MarchSettings
from real3d_core.render.plane_table import PlaneTable

SETTINGS = MarchSettings(8, 16, 16)
SCENES = {
    "square planes": soft_scene(SETTINGS),
    "few units, some planes of zeros": solid_scene(SETTINGS),
    "planes that are not square": golden_scene("renderer_64_wide"),
    "layers": trigrid_scene(SETTINGS),
}
REACHES = {"beyond all edges": (-0.7, 0.7), "within": (-0.21, 0.13)}


@pytest.mark.parametrize("reach", REACHES.values(), ids=REACHES)
@pytest.mark.parametrize("scene", SCENES.values(), ids=SCENES)
def test_what_hidden_units_receive(compiled, marchers, scene, reach):
    marcher = marchers(compiled)
    decoder = PackedDecoder.of(scene.decoder, marcher.multiple)
    corners = torch.tensor(reach)[:, None].expand(2, 3)
    table = PlaneTable.of(scene.planes.frame(0).grids()[0], decoder.inputs, scene.planes.box_side, corners)
    expected, found = (PackedHead.of(table, decoder, project) for project in (project_by_torch, marcher.draw.steps.project))
    for part in ("early", "late"):
        largest = getattr(expected, part).abs().max() if getattr(expected, part).numel() else 0
        assert torch.allclose(getattr(found, part), getattr(expected, part), rtol=0, atol=float(2e-6 * largest))
