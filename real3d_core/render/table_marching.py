"""The marcher of ray_marching.py arranged to do less (spec 07 sections 2 and 4.4): the same picture several times faster.

Looking up, averaging over the planes and the decoder's first layer are all linear. So the first layer is applied to every texel
once instead of to every sample, and lookups in that table give the hidden units' inputs. The march itself needs nothing but
densities; colours are worked out afterwards, for the samples that show.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from .decoder import PlaneDecoder, colour_from_raw
from .plane_table import Corners, PlaneTable
from .planes import Planes
from .ray_marching import (
    OFFICIAL,
    HeadRender,
    MarchRays,
    MarchSettings,
    importance_depths,
    interval_weights,
    march_frames,
    mean_depth,
)

NEGLIGIBLE = 1e-7  # share of a pixel below which a sample does not show; a hundred of them change its features by 2e-5 at the most


def march_table(
    planes: Planes, decoder: PlaneDecoder, cameras: Tensor, settings: MarchSettings = OFFICIAL, first_frame: int = 0
) -> HeadRender:
    """Renders a head: what `march` returns, to 2e-5 in features and opacity.

    What has no influence costs nothing: planes of zeros, texels out of the samples' reach, hidden units without output weights,
    colour channels that are the same everywhere, and hidden units that only colour needs wherever nothing shows.
    """
    lean = LeanDecoder.of(decoder)

    def prepare(features: Tensor, reach: Tensor) -> MarchRays:
        table = PlaneTable.of(features, lean.inputs, planes.box_side, reach)
        early, late = (table.project(units.weight, units.bias) for units in (lean.early, lean.late))
        return lambda *rays: march_rays(table, early, late, lean, *rays)

    return march_frames(prepare, planes, cameras, settings, first_frame)


@dataclass(frozen=True)
class HiddenUnits:
    """Some of a decoder's hidden units.

    weight [h, i], bias [h]: from the inputs. to_density [h], to_colour [h, o]: to the outputs.
    """

    weight: Tensor
    bias: Tensor
    to_density: Tensor
    to_colour: Tensor


@dataclass(frozen=True)
class LeanDecoder:
    """A decoder without the parts that have no influence.

    inputs [i]: feature channels that are heard. outputs [o]: colour channels that vary.
    early: hidden units that density hears; evaluated for every sample.
    late: the others; evaluated for the samples that show.
    density_bias [], colour_bias [o]: of the second layer.
    constant [C]: the colour of every channel if it did not vary.
    """

    inputs: Tensor
    outputs: Tensor
    early: HiddenUnits
    late: HiddenUnits
    density_bias: Tensor
    colour_bias: Tensor
    constant: Tensor

    @classmethod
    def of(cls, decoder: PlaneDecoder) -> LeanDecoder:
        in_use = decoder.weight2 != 0
        heard_by_density, heard_by_colour = in_use[0], in_use[1:].any(dim=0)
        inputs = _where((decoder.weight1[heard_by_density | heard_by_colour] != 0).any(dim=0))
        outputs = _where(in_use[1:].any(dim=1))

        def units(chosen: Tensor) -> HiddenUnits:
            weight2 = decoder.weight2[:, chosen]
            return HiddenUnits(decoder.weight1[chosen][:, inputs], decoder.bias1[chosen], weight2[0], weight2[1 + outputs].T)

        early, late = units(_where(heard_by_density)), units(_where(heard_by_colour & ~heard_by_density))
        bias = decoder.bias2
        return cls(inputs, outputs, early, late, bias[0], bias[1 + outputs], colour_from_raw(bias[1:]))


def march_rays(
    table: PlaneTable,
    early: Tensor,
    late: Tensor,
    decoder: LeanDecoder,
    origins: Tensor,
    directions: Tensor,
    depths: Tensor,
    positions: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    """Both passes for r rays; see ray_marching.march_rays for what is not named here.

    Args:
        table: tells where points lie in `early` and `late`.
        early, late: [T, h] inputs of the early and the late hidden units at every texel.
    """

    def look(depths: Tensor) -> Samples:
        points = origins.T[..., None] + depths * directions.T[..., None]
        corners = table.locate(points.flatten(1))
        hidden = F.softplus(corners.look_up(early))
        densities = hidden @ decoder.early.to_density + decoder.density_bias
        return Samples(corners, hidden, densities.view_as(depths))

    def colours(samples: Samples, shares: Tensor) -> Tensor:
        """[r, o] what samples add to their rays' colour, each with its share [r, S]."""
        shows = shares > NEGLIGIBLE
        shown = _where(shows.flatten())
        raw = torch.addmm(decoder.colour_bias, samples.hidden.index_select(0, shown), decoder.early.to_colour)
        if late.shape[1]:
            raw = raw.addmm_(F.softplus(samples.corners[shown].look_up(late)), decoder.late.to_colour)
        first_of_ray = shows.sum(dim=1).cumsum(dim=0).roll(1)
        first_of_ray[0] = 0
        every = torch.arange(len(shown), device=shown.device)
        weights = shares.flatten().index_select(0, shown)
        return F.embedding_bag(every, colour_from_raw(raw), first_of_ray, per_sample_weights=weights, mode="sum")

    coarse = look(depths)
    densities = coarse.densities
    weights = interval_weights(depths, densities)
    passes = [coarse]
    from_coarse = torch.ones_like(depths, dtype=torch.bool)
    if positions.shape[1]:
        fine_depths = importance_depths(depths, weights, positions)
        fine = look(fine_depths)
        passes.append(fine)
        from_coarse = coarse_places(depths, fine_depths)
        depths = interleave(from_coarse, depths, fine_depths)
        densities = interleave(from_coarse, densities, fine.densities)
        weights = interval_weights(depths, densities)

    opacity = weights.sum(dim=1)
    shares = (F.pad(weights, (1, 0)) + F.pad(weights, (0, 1))) / 2
    colour = opacity[:, None] * decoder.constant
    colour[:, decoder.outputs] = sum(
        colours(samples, shares[places].view(len(depths), -1)) for samples, places in zip(passes, (from_coarse, ~from_coarse), strict=False)
    )
    return colour, mean_depth(weights, depths), opacity


@dataclass(frozen=True)
class Samples:
    """One pass of r rays with S depths: corners and early hidden units [r * S, h] of all samples, densities [r, S] before activation."""

    corners: Corners
    hidden: Tensor
    densities: Tensor


def coarse_places(coarse: Tensor, fine: Tensor) -> Tensor:
    """Merges ascending depths [r, Nc] and [r, Nf] by counting: which of the merged places [r, Nc + Nf] coarse depths take, bool."""
    places = torch.searchsorted(coarse, fine) + torch.arange(fine.shape[1], device=fine.device)
    merged = torch.ones(len(coarse), coarse.shape[1] + fine.shape[1], dtype=torch.bool, device=coarse.device)
    return merged.scatter_(1, places, False)


def interleave(from_coarse: Tensor, coarse: Tensor, fine: Tensor) -> Tensor:
    """[r, Nc] and [r, Nf] values in merged order [r, Nc + Nf]."""
    merged = torch.empty_like(from_coarse, dtype=coarse.dtype)
    return merged.masked_scatter_(from_coarse, coarse).masked_scatter_(~from_coarse, fine)


def _where(chosen: Tensor) -> Tensor:
    return chosen.nonzero()[:, 0]
