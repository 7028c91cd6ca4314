"""What is seen between opened lips."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from real3d_core.analytic.controls import BASIS, LOWER_LIP, UPPER_LIP
from real3d_core.analytic.mouth import MouthInterior
from real3d_core.analytic.own_teeth import OwnTeeth
from real3d_core.face.canonical_face import canonical_face
from real3d_core.face.landmark_sets import LOWER_INNER_LIP, MOUTH, UPPER_INNER_LIP
from real3d_core.mediapipe_models.model_files import ModelFolders
from real3d_core.motion.motion import Motion
from real3d_core.pipeline import PipelineOptions, render_frames
from real3d_core.portrait.plates import Plates, plate_pixels

LUMA = torch.tensor([0.299, 0.587, 0.114])


def toned(portrait, change):
    """The same portrait with the colours of all its layers [1, 3, S, S] changed."""
    plates = portrait.plates
    colours = {name: change(getattr(plates, name)) for name in ("photo", "background")}
    layers = {
        name: torch.cat([change(plate[:, :3]), plate[:, 3:]], dim=1) for name, plate in (("head", plates.head), ("torso", plates.torso))
    }
    return replace(portrait, plates=replace(plates, **colours, **layers))


def grey(picture):
    return (picture * LUMA.view(1, 3, 1, 1)).sum(dim=1, keepdim=True).expand(-1, 3, -1, -1)


def opened(avatar, portrait, **controls):
    motion = Motion.still(BASIS, 1).with_controls(**{name: torch.tensor(value) for name, value in controls.items()})
    return next(render_frames(avatar, portrait, motion, PipelineOptions()).chunks(1))[0]


def around_mouth(portrait):
    points = portrait.landmarks[MOUTH, :2] * 512
    (left, top), (right, bottom) = points.amin(0).long().tolist(), points.amax(0).long().tolist()
    return slice(top, bottom + 40), slice(left, right)


def test_lips_are_the_same_on_both_sides_of_the_face():
    """A landmark that was missing on one side was moved with the skin, and folded some mouths."""
    points = canonical_face(ModelFolders()).points[:, :2]
    for lip in (UPPER_LIP, LOWER_LIP, MOUTH):
        mirrored = [int(np.linalg.norm(points * [-1, 1] - points[one], axis=1).argmin()) for one in lip]
        assert sorted(mirrored) == sorted(lip)


@pytest.mark.parametrize("who", ["portrait", "smiling"])
def test_the_mouth_of_a_grey_photo_is_grey(avatar, who, request):
    drawn = toned(request.getfixturevalue(who), grey)
    frame = opened(avatar, drawn, jaw_open=0.9)
    inside = frame[around_mouth(drawn)]
    assert (inside.amax(-1) - inside.amin(-1)).max() < 3 / 255


def test_the_mouth_of_a_sepia_photo_is_sepia(avatar, portrait):
    sepia = toned(portrait, lambda picture: grey(picture) * torch.tensor([1.0, 0.8, 0.55]).view(1, 3, 1, 1))
    inside = opened(avatar, sepia, jaw_open=0.9)[around_mouth(portrait)]
    shown = inside[(inside @ LUMA) > 0.1]
    assert (shown[:, 2] / shown[:, 0] - 0.55).abs().max() < 0.05


@pytest.mark.parametrize("light", [1.0, 0.35])
def test_teeth_are_as_bright_as_the_light_on_the_cheeks(avatar, portrait, light):
    dim = toned(portrait, lambda picture: picture * light)
    frame = opened(avatar, dim, jaw_open=0.9) @ LUMA
    cheeks = [frame[v - 6 : v + 6, u - 6 : u + 6].mean() for u, v in (portrait.landmarks[[50, 280], :2] * 512).long().tolist()]
    upper_lip = (portrait.landmarks[[13], :2] * 512).long()[0]
    teeth = frame[upper_lip[1] : upper_lip[1] + 14, upper_lip[0] - 20 : upper_lip[0] + 20].quantile(0.9)
    assert 0.9 < teeth / (sum(cheeks) / 2) < 1.2


def test_the_photos_own_upper_teeth_stay_with_the_skull_and_what_is_below_goes_with_the_jaw(avatar, smiling):
    rest, wide = (opened(avatar, smiling, jaw_open=opening) for opening in (0.0, 0.9))
    own = OwnTeeth(smiling.plates.photo, smiling.landmarks)
    assert own.has_teeth and own.colour.min() > 0.5
    height = float((smiling.landmarks[10, :2] - smiling.landmarks[152, :2]).norm()) * 512
    middle = (smiling.landmarks[[61, 291], :2].mean(0) * 512).tolist()
    teeth = slice(round(middle[1] + own.upper_middle * height) + 2, round(middle[1] + own.bite(torch.zeros(1)).item() * height) - 2)
    across = slice(round(middle[0]) - 15, round(middle[0]) + 15)
    assert teeth.stop - teeth.start >= 5
    assert (rest[teeth, across] - wide[teeth, across]).abs().mean() < 0.02


def test_teeth_lie_behind_the_lips(portrait):
    """Where one looks in from the side, what is behind a place on the lips lies farther over."""
    mouth = MouthInterior(portrait.plates.photo, portrait.landmarks, pixel=0.004)
    height = float((portrait.landmarks[10, :2] - portrait.landmarks[152, :2]).norm())
    middle = portrait.landmarks[[61, 291], :2].mean(0)
    across = torch.linspace(-0.06, 0.06, 61)
    on_teeth = middle + height * torch.stack([across, torch.full((61,), 0.008)], dim=1)
    away = on_teeth + torch.tensor([0.0, 0.3])
    in_front = mouth(on_teeth, away, torch.full((61,), 0.03), torch.zeros(2))
    beside = mouth(on_teeth, away, torch.full((61,), 0.03), torch.tensor([2 / 3, 0.0]))  # 0.02 at the depth of the teeth
    assert (beside[:51] - in_front[10:]).abs().mean() < 0.2 * (beside[:51] - in_front[:51]).abs().mean()


@pytest.mark.parametrize("light", [(0.6, 0.9, 1.2), (1.2, 0.9, 0.6), (0.7, 1.1, 0.8)], ids=["blue", "warm", "green"])
def test_teeth_are_found_in_light_of_any_colour(smiling, light):
    """In blue light they were taken for lips: the widest mouths had no teeth."""
    colours = (1.0, 1.0, 1.0), light
    photos = ((smiling.plates.photo * torch.tensor(one).view(1, 3, 1, 1)).clamp(0, 1) for one in colours)
    white, tinted = (OwnTeeth(photo, smiling.landmarks) for photo in photos)
    across = torch.linspace(-0.5, 0.5, 21) * white.half_width
    assert tinted.has_teeth
    assert (tinted.bite(across) - white.bite(across)).abs().max() < 0.006


@pytest.mark.parametrize("light", [(1.0, 1.0, 1.0), (0.6, 0.9, 1.2)], ids=["white", "blue"])
def test_a_lip_before_the_teeth_is_told_from_them(smiling, light):
    """It once hung from them as a second lip."""
    own = OwnTeeth((smiling.plates.photo * torch.tensor(light).view(1, 3, 1, 1)).clamp(0, 1), smiling.landmarks)
    lip = torch.tensor([[0.75, 0.38, 0.38]]) * torch.tensor(light)
    assert own.paleness(own.colour[None]) == own.paleness(0.6 * own.colour[None]) == 1
    assert own.paleness(lip) < 0.2


def test_teeth_in_the_shade_of_a_cheek_are_teeth_to_their_ends(smiling):
    """Their lower halves were once cut off and went with the jaw."""
    photo = smiling.plates.photo
    columns = (torch.arange(photo.shape[-1]) + 0.5) / photo.shape[-1]
    corners = plate_pixels(smiling.landmarks[[61, 291], :2].double().numpy(), photo.shape[-1])[:, 0] / photo.shape[-1]
    into_shade = ((columns - corners.mean()) / (corners[1] - corners[0])).clamp(-0.5, 0.5)
    lit, shaded = (OwnTeeth(one, smiling.landmarks) for one in (photo, photo * (0.6 - 0.9 * into_shade)))
    across = torch.linspace(-0.6, 0.6, 25) * lit.half_width
    assert (shaded.bite(across) - lit.bite(across)).min() > -0.004


def test_upper_teeth_are_not_looked_for_at_the_lower_lip(smiling):
    """Where a wide mouth showed a bright lower row, that and the tongue once stayed with the skull."""
    photo, points = smiling.plates.photo[0].permute(1, 2, 0).numpy().copy(), smiling.landmarks.clone()
    own = OwnTeeth(smiling.plates.photo, smiling.landmarks)
    height = float((points[10, :2] - points[152, :2]).norm())
    dropped = 2.0 * height * float(own.lower_middle - own.upper_middle)
    lens = 1 - torch.linspace(-1, 1, len(LOWER_INNER_LIP)) ** 2
    points[LOWER_INNER_LIP, 1] += dropped * lens
    polygon = plate_pixels(points[[*UPPER_INNER_LIP, *LOWER_INNER_LIP[::-1]], :2].double().numpy(), len(photo))
    cv2.fillPoly(photo, [np.round(polygon).astype(np.int32)], (0.25, 0.08, 0.08))
    for lip, inwards, light in ((UPPER_INNER_LIP, 1, 0.5), (LOWER_INNER_LIP, -1, 1.0)):
        row = plate_pixels(points[lip[3:-3], :2].double().numpy() + np.array([0, inwards * 0.015 * height]), len(photo))
        cv2.polylines(photo, [np.round(row).astype(np.int32)], False, (light,) * 3, round(0.025 * height * len(photo)))
    opened = OwnTeeth(torch.from_numpy(photo).permute(2, 0, 1)[None], points)
    middle = torch.zeros(1)
    assert opened.has_teeth
    assert (opened.bite(middle) - opened.upper_lip(middle)) < 0.5 * (opened.lower_lip(middle) - opened.upper_lip(middle))


def test_no_teeth_are_found_in_a_dark_open_mouth(smiling):
    """And none in a mouth that is closed."""
    plates: Plates = smiling.plates
    dark = OwnTeeth(plates.photo * 0.0 + torch.tensor([0.3, 0.15, 0.15]).view(1, 3, 1, 1), smiling.landmarks)
    assert dark.shown and not dark.has_teeth and dark.colour is None


@pytest.fixture(scope="module")
def smiling_mouth(smiling):
    """The inside of a smile."""
    return inside(smiling)


def inside(portrait):
    """The inside of a mouth at places across and below the middle between its corners, while the jaw and the lips have moved."""
    own = OwnTeeth(portrait.plates.photo, portrait.landmarks)
    mouth = MouthInterior(portrait.plates.photo, portrait.landmarks, pixel=0.004)
    height = float((portrait.landmarks[10, :2] - portrait.landmarks[152, :2]).norm())
    right, left = portrait.landmarks[[61, 291], :2]
    along = (left - right) / (left - right).norm()
    axes = torch.stack([along, torch.stack([-along[1], along[0]])])

    def colours(across, below_upper, dropped, broader=1.0, raised=0.0):
        def photo(x, y):
            return (right + left) / 2 + height * torch.stack([x, y], dim=1) @ axes

        y = own.upper_lip(across) + below_upper - raised
        return mouth(photo(across, y), photo(across / broader, y - dropped), below_upper, torch.zeros(2))

    return own, colours


def test_lips_that_broaden_draw_no_line_between_the_photos_own_teeth(smiling_mouth):
    """The jaw is not opened by that, and teeth are not broadened."""
    own, colours = smiling_mouth
    across = torch.linspace(-0.5, 0.5, 41) * own.half_width
    over_bite = torch.linspace(-0.006, 0.008, 15)
    places = torch.cartesian_prod(across, over_bite)
    below_upper = own.bite(places[:, 0]) - own.upper_lip(places[:, 0]) + places[:, 1]
    still, moved = colours(places[:, 0], below_upper, 0.0), colours(places[:, 0], below_upper, 0.004, broader=1.15)
    assert ((still - moved) @ LUMA).max() < 0.25


def test_what_a_raised_lip_uncovers_is_not_striped(smiling):
    """The lines between the teeth once ran on upwards from what the photo shows of them, as bars."""
    photo = smiling.plates.photo
    lines = 1 - 0.5 * (torch.arange(photo.shape[-1]) % 16 < 4).float()
    own, colours = inside(replace(smiling, plates=replace(smiling.plates, photo=photo * lines)))
    across = torch.linspace(-0.6, 0.6, 121) * own.half_width
    shown, uncovered = (colours(across, torch.full_like(across, 0.005), 0.0, raised=raised) @ LUMA for raised in (0.0, 0.012))
    assert own.has_teeth
    assert uncovered.diff().abs().mean() < 0.4 * shown.diff().abs().mean()


def test_tips_of_teeth_that_the_bite_line_cuts_off_do_not_hang_on_the_jaw(smiling, monkeypatch):
    """They once went down with it, a white line in mid-air."""
    monkeypatch.setattr(OwnTeeth, "bite", lambda self, x: self._at(self._bite, x) - 0.006)
    points, height = smiling.landmarks.clone(), float((smiling.landmarks[10, :2] - smiling.landmarks[152, :2]).norm())
    points[LOWER_INNER_LIP[1:-1], 1] += 0.03 * height
    own, colours = inside(replace(smiling, landmarks=points))
    across = torch.linspace(-0.4, 0.4, 61) * own.half_width
    tips = own.bite(across) - own.upper_lip(across) + 0.003
    assert own.has_teeth and not own.has_lower_teeth
    assert (colours(across, tips, 0.0) @ LUMA).median() > 0.8 * own.colour @ LUMA
    assert (colours(across, tips + 0.012, 0.012) @ LUMA).median() < 0.45 * own.colour @ LUMA


def test_the_corners_of_a_laughing_mouth_are_not_black(smiling_mouth, smiling):
    own, colours = smiling_mouth
    across = torch.cat([side * torch.linspace(0.6, 0.9, 13) * own.half_width for side in (-1, 1)])
    below_upper = (own.lower_lip(across) - own.upper_lip(across)) / 2 + 0.01
    cheeks = [
        smiling.image[0, :, v - 6 : v + 6, u - 6 : u + 6] / 2 + 0.5 for u, v in (smiling.landmarks[[50, 280], :2] * 512).long().tolist()
    ]
    brighter = max(float((cheek.mean((1, 2)) * LUMA).sum()) for cheek in cheeks)
    assert ((colours(across, below_upper, 0.08) @ LUMA) > 0.25 * brighter).float().mean() > 0.9


def test_the_lower_lip_rolls_inwards_without_an_edge(smiling_mouth, smiling):
    own, colours = smiling_mouth
    across = torch.linspace(-0.7, 0.7, 29) * own.half_width
    edge = own.lower_lip(across) - own.upper_lip(across)
    lip = own.sample(torch.stack([across, own.lower_lip(across) + 0.006], dim=1))
    just_inside = colours(across, edge + 0.08 - 0.001, 0.08)
    assert (just_inside - lip).abs().mean() < 0.03


def test_teeth_between_lips_that_hardly_part_are_no_grey_strip(smiling_mouth):
    """The photo's own once lost half of their light there."""
    own, colours = smiling_mouth
    across = torch.linspace(-0.4, 0.4, 17) * own.half_width
    gap = own.lower_lip(across) - own.upper_lip(across)
    on_teeth = torch.full_like(across, 0.006)
    open_mouth, narrow = (colours(across, on_teeth, dropped) for dropped in (0.0, 0.012 - gap))
    assert (gap > 0.02).all()
    assert 0.65 < (narrow @ LUMA).mean() / (open_mouth @ LUMA).mean() < 0.95
    red_over_blue = [float((seen[:, 0] / seen[:, 2]).mean()) for seen in (narrow, open_mouth)]
    assert red_over_blue[0] > red_over_blue[1] + 0.02


def test_lips_that_hardly_part_show_a_gap(portrait):
    """Teeth in half of the light, and the inside of the lip right below them, looked like lips that had grown thick."""
    own, colours = inside(portrait)
    across = torch.linspace(-0.4, 0.4, 17) * own.half_width
    lip = own.sample(torch.stack([across, own.lower_lip(across) + 0.012], dim=1)) @ LUMA
    below_teeth = torch.stack(
        [colours(across, torch.full_like(across, float(below)), 0.03) @ LUMA for below in torch.linspace(0.015, 0.03, 8)]
    )
    assert (below_teeth.min(dim=0).values / lip).mean() < 0.4


def test_a_beard_blackens_no_corner_of_the_mouth(portrait):
    """What is seen of a lip's inside there once went on as dark as the beard before it."""
    photo = portrait.plates.photo[0].permute(1, 2, 0).numpy().copy()
    for corner in plate_pixels(portrait.landmarks[[61, 291], :2].double().numpy(), len(photo)):
        cv2.circle(photo, np.round(corner).astype(int).tolist(), len(photo) // 40, (0.02, 0.02, 0.02), -1)
    bearded = torch.from_numpy(photo).permute(2, 0, 1)[None]
    own, colours = inside(replace(portrait, plates=replace(portrait.plates, photo=bearded)))
    across = torch.cat([side * torch.linspace(0.86, 0.94, 5) * own.half_width for side in (-1, 1)])
    just_inside = own.lower_lip(across) - own.upper_lip(across) + 0.08 - 0.003
    u, v = (portrait.landmarks[50, :2] * 512).long().tolist()
    cheek = float((portrait.image[0, :, v - 6 : v + 6, u - 6 : u + 6].mean((1, 2)) / 2 + 0.5) @ LUMA)
    assert (colours(across, just_inside, 0.08) @ LUMA).min() > 0.2 * cheek


def test_cheeks_are_seen_hollow_in_the_corners_of_a_made_up_mouth(portrait):
    """They once were flat wedges of one red."""
    own, colours = inside(portrait)
    across = torch.cat([side * torch.linspace(0.70, 0.85, 7) * own.half_width for side in (-1, 1)])
    under_lip, middle = (float((colours(across, torch.full_like(across, way * 0.08), 0.08) @ LUMA).mean()) for way in (0.2, 0.6))
    assert middle > 1.2 * under_lip


def test_the_line_between_closed_lips_does_not_stay_on_the_lower_one(avatar, portrait):
    """It was a dark arc between the lower teeth and the lip of every opened mouth."""

    def lined(plate):
        """With a line of a colour that no face has."""
        side = plate.shape[-1]
        picture = plate[0].permute(1, 2, 0).numpy().copy()
        lips = plate_pixels(portrait.landmarks[UPPER_INNER_LIP, :2].double().numpy(), side)
        cv2.polylines(picture, [np.round(lips).astype(np.int32)], False, (0.0, 1.0, 0.0), 3)
        return torch.from_numpy(picture).permute(2, 0, 1)[None]

    rows, columns = around_mouth(portrait)
    marked = toned(portrait, lined)
    shut, wide = (opened(avatar, marked, jaw_open=opening)[rows, columns] for opening in (0.0, 0.8))
    shut, wide = ((seen[..., 1] - seen[..., [0, 2]].amax(dim=-1) > 0.15).float() for seen in (shut, wide))
    middle = slice(wide.shape[1] // 3, -wide.shape[1] // 3)
    upper, lower = wide[:, middle].split([20, len(wide) - 20])
    assert upper.sum() > 20 and lower.sum() < 0.35 * shut[:, middle].sum()
