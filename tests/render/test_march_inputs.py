"""What marchers take, widen or refuse; gradients; and float32 where others allow less."""

from dataclasses import replace

import pytest
import torch
from scenes import soft_scene

from real3d_core.errors import Real3DError
from real3d_core.render import MarchSettings, PlaneDecoder, march, march_table
from real3d_core.render.march_inputs import checked_inputs, full_float32
from real3d_core.render.ray_marching import march_frames, march_rays

QUICK = MarchSettings(resolution=6, coarse=8, fine=8)


@pytest.fixture(params=[march, march_table], ids=["march", "march_table"])
def marcher(request):
    return request.param


def draw(marcher, scene, features=None, cameras=None, decoder=None, **other):
    planes = replace(scene.planes, **other) if features is None else replace(scene.planes, features=features, **other)
    return marcher(planes, decoder or scene.decoder, scene.cameras if cameras is None else cameras, scene.settings)


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_narrower_numbers_are_widened(marcher, kind):
    scene = soft_scene(QUICK)
    narrow = scene.planes.features.to(kind)
    assert torch.equal(draw(marcher, scene, narrow).features, draw(marcher, scene, narrow.float()).features)
    decoder = PlaneDecoder(*(part.to(kind) for part in vars(scene.decoder).values()))
    widened = PlaneDecoder(*(part.float() for part in vars(decoder).values()))
    assert torch.equal(draw(marcher, scene, decoder=decoder).features, draw(marcher, scene, decoder=widened).features)


def test_planes_in_any_order_of_memory_are_the_same_planes(marcher):
    scene = soft_scene(QUICK)
    turned = scene.planes.features.flatten(0, 1).contiguous(memory_format=torch.channels_last).unflatten(0, (1, 3))
    assert torch.equal(draw(marcher, scene, turned).features, draw(marcher, scene).features)


def test_a_negated_view_is_brought_into_memory():
    scene = soft_scene(QUICK)
    view = torch._neg_view(-scene.planes.features)
    decoder = replace(scene.decoder, bias1=torch._neg_view(-scene.decoder.bias1))
    planes, checked, _ = checked_inputs(replace(scene.planes, features=view), decoder, scene.cameras)
    assert view.is_neg() and not planes.features.is_neg() and not checked.bias1.is_neg()
    assert torch.equal(planes.features, scene.planes.features) and torch.equal(checked.bias1, scene.decoder.bias1)


@pytest.mark.parametrize(
    "kind, words",
    [(torch.float64, "float64"), (torch.int32, "int32"), (torch.bool, "bool"), (torch.complex64, "complex64")],
)
def test_other_numbers_are_refused_in_one_sentence(marcher, kind, words):
    scene = soft_scene(QUICK)
    with pytest.raises(Real3DError, match=rf"The planes must be dense float32 numbers, these are {words}"):
        draw(marcher, scene, scene.planes.features.to(kind))
    with pytest.raises(Real3DError, match=rf"The cameras must be .* these are {words}"):
        draw(marcher, scene, cameras=scene.cameras.to(kind))
    with pytest.raises(Real3DError, match=rf"The decoder's weights must be .* these are {words}"):
        draw(marcher, scene, decoder=replace(scene.decoder, bias1=scene.decoder.bias1.to(kind)))


def test_tensors_without_plain_storage_are_refused(marcher):
    scene = soft_scene(QUICK)
    for odd in (scene.planes.features.to("meta"), scene.planes.features.to_sparse()):
        with pytest.raises(Real3DError, match="sparse, quantized or without storage"):
            draw(marcher, scene, odd)


@pytest.mark.parametrize("shape", [(1, 3, 16, 8, 8), (1, 3, 40, 8, 8), (1, 3, 32, 0, 8)])
def test_planes_of_other_shapes_are_refused(marcher, shape):
    with pytest.raises(Real3DError, match="Planes must be"):
        draw(marcher, soft_scene(QUICK), torch.zeros(shape))


def test_a_decoder_or_cameras_of_other_shapes_are_refused(marcher):
    scene = soft_scene(QUICK)
    with pytest.raises(Real3DError, match="decoder's layers must be"):
        draw(marcher, scene, decoder=replace(scene.decoder, weight1=scene.decoder.weight1[:, :16]))
    with pytest.raises(Real3DError, match="decoder's layers must be"):
        draw(marcher, scene, decoder=replace(scene.decoder, bias2=scene.decoder.bias2[:4]))
    with pytest.raises(Real3DError, match="Cameras must be"):
        draw(marcher, scene, cameras=scene.cameras[:, :16])


@pytest.mark.parametrize("place, number", [(0, torch.nan), (3, torch.inf), (16, 0.0), (20, torch.nan)])
def test_a_camera_without_rays_is_refused(marcher, place, number):
    scene = soft_scene(QUICK)
    cameras = scene.cameras.clone()
    cameras[0, place] = number
    with pytest.raises(Real3DError, match="camera of frame 0 sees nothing"):
        draw(marcher, scene, cameras=cameras)


@pytest.mark.parametrize(
    "box", [{"box_side": 0.0}, {"box_side": float("nan")}, {"bounds": torch.tensor([[-1.0, -1, -1], [1, 1, torch.inf]])}]
)
def test_a_box_that_is_no_box_is_refused(marcher, box):
    with pytest.raises(Real3DError, match="box of the planes"):
        draw(marcher, soft_scene(QUICK), **box)


@pytest.mark.parametrize("number", [torch.nan, torch.inf, -torch.inf])
def test_rays_that_meet_features_which_are_no_numbers_are_empty(marcher, number):
    scene = soft_scene(replace(QUICK, resolution=16))
    features = scene.planes.features.clone()
    features[0, 0, :, :, 128:] = number
    whole, broken = draw(march, scene), draw(marcher, scene, features)
    for part in (broken.features, broken.opacity, broken.depth):
        assert part.isfinite().all()
    left, right = broken.opacity[0, 0, :, :2], broken.opacity[0, 0, 6:10, 12:]
    assert torch.allclose(left, whole.opacity[0, 0, :, :2], atol=2e-5)
    assert (right == 0).all() and (broken.features[0, :, 6:10, 12:] == -1).all()


def test_another_default_type_of_numbers_changes_nothing(marcher):
    scene = soft_scene(QUICK)
    expected = draw(marcher, scene)
    torch.set_default_dtype(torch.float64)
    try:
        found = draw(marcher, scene)
    finally:
        torch.set_default_dtype(torch.float32)
    assert torch.equal(found.features, expected.features) and found.features.dtype == torch.float32


def test_products_are_float32_whatever_is_allowed_outside():
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            with full_float32(torch.device("cpu")):
                assert torch.get_float32_matmul_precision() == "highest" and not torch.backends.cuda.matmul.allow_tf32
                assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.float32
            assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.bfloat16
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision(before)


@pytest.mark.skipif(not hasattr(torch.backends.cuda.matmul, "fp32_precision"), reason="this PyTorch has one way only to allow TF32")
def test_products_are_float32_where_it_is_allowed_by_the_newer_names():
    place = torch.backends.cuda.matmul
    before = place.fp32_precision
    place.fp32_precision = "tf32"
    try:
        with full_float32(torch.device("cpu")):
            assert place.fp32_precision == "ieee"
        assert place.fp32_precision == "tf32"
    finally:
        place.fp32_precision = before


def test_autocast_reaches_no_marcher(marcher):
    scene = soft_scene(QUICK)
    expected = draw(marcher, scene)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(draw(marcher, scene).features, expected.features)


def test_gradients_are_those_of_finite_differences():
    """Of features, decoder and cameras, in float64, along random directions; empty rays have no depth to speak of."""
    scene = soft_scene(replace(QUICK, resolution=4))
    generator = torch.Generator().manual_seed(0)
    settings = scene.settings

    def loss(features, camera, *layers):
        decoder = PlaneDecoder(*layers)
        planes = replace(scene.planes, features=features)

        def prepare(features, reach):
            return lambda *rays: march_rays(features, planes.box_side, decoder, *rays)

        render = march_frames(prepare, planes, camera, settings, 0)
        return (render.features.square().sum(1, keepdim=True) + render.opacity * (1 + render.depth)).sum()

    point = [scene.planes.features, scene.cameras, *vars(scene.decoder).values()]
    point = [value.double().requires_grad_() for value in point]
    gradients = torch.autograd.grad(loss(*point), point)
    for changed, gradient in enumerate(gradients):
        way = torch.randn(gradient.shape, generator=generator, dtype=torch.float64) * (gradient != 0)
        ends = []
        for step in (-1e-6, 1e-6):
            moved = [value.detach() for value in point]
            moved[changed] = moved[changed] + step * way
            ends.append(loss(*moved).item())
        assert gradient.abs().max() > 0
        assert (gradient * way).sum().item() == pytest.approx((ends[1] - ends[0]) / 2e-6, rel=1e-4)


def test_every_marcher_hands_over_where_gradients_are_asked_for(marcher):
    scene = soft_scene(QUICK)
    for part in ("features", "decoder", "cameras"):
        features, cameras, layers = scene.planes.features.clone(), scene.cameras.clone(), [*vars(scene.decoder).values()]
        layers[2] = layers[2].clone()
        asked = {"features": features, "cameras": cameras, "decoder": layers[2]}[part].requires_grad_()
        draw(marcher, scene, features, cameras, PlaneDecoder(*layers)).features.square().sum().backward()
        assert asked.grad.isfinite().all() and asked.grad.abs().max() > 0
        with torch.no_grad():
            assert not draw(marcher, scene, features, cameras, PlaneDecoder(*layers)).features.requires_grad


def test_a_ray_along_an_axis_and_an_empty_ray_have_gradients():
    scene = soft_scene(replace(QUICK, resolution=5))
    cameras = torch.tensor([[1, 0, 0, 0, 0, -1, 0, 0, 0, 0, -1, 2.7, 0, 0, 0, 1, 1.5, 0, 0.5, 0, 1.5, 0.5, 0, 0, 1.0]], requires_grad=True)
    features = torch.full_like(scene.planes.features, -30.0).requires_grad_()
    render = draw(march, scene, features, cameras)
    (render.features.sum() + render.depth.sum() + render.opacity.sum()).backward()
    assert cameras.grad.isfinite().all() and features.grad.isfinite().all()
