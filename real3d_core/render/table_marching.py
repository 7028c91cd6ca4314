"""The marcher of ray_marching.py with less work (spec 07 sections 2 and 4.4): the same picture several times faster.

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
from .march_inputs import checked_inputs, wants_gradients
from .plane_table import Corners, PlaneTable
from .planes import Planes
from .ray_marching import (
    OFFICIAL,
    HeadRender,
    MarchRays,
    MarchSettings,
    importance_depths,
    interval_weights,
    march,
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

    Hands over to `march` where gradients are asked for.
    """
    planes, decoder, cameras = checked_inputs(planes, decoder, cameras)
    if wants_gradients(planes, decoder, cameras):
        return march(planes, decoder, cameras, settings, first_frame)
    lean = LeanDecoder.of(decoder)

    def prepare(features: Tensor, reach: Tensor) -> MarchRays:
        return TableHead.of(features, planes.box_side, reach, lean).march

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

    inputs [i]: feature channels that have influence. outputs [o]: colour channels that vary.
    early: hidden units that density depends on; evaluated for every sample.
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


@dataclass(frozen=True)
class Samples:
    """One pass over r rays with S depths each.

    corners: where the r * S samples lie in the table.
    hidden: [r * S, h] the early hidden units.
    densities: [r, S] before activation.
    """

    corners: Corners
    hidden: Tensor
    densities: Tensor


@dataclass(frozen=True)
class TableHead:
    """A head ready to be marched.

    table: tells where points lie in `early` and `late`.
    early, late: [T, h] what the early and the late hidden units receive at every texel.
    """

    decoder: LeanDecoder
    table: PlaneTable
    early: Tensor
    late: Tensor

    @classmethod
    def of(cls, features: Tensor, box_side: float, reach: Tensor, decoder: LeanDecoder) -> TableHead:
        """features [3, C, H, W]; reach [2, 3]: the corners of a box that holds all samples."""
        table = PlaneTable.of(features, decoder.inputs, box_side, reach)
        early, late = decoder.early, decoder.late
        projected = table.project(torch.cat([early.weight, late.weight]), torch.cat([early.bias, late.bias]))
        parts = projected.split((len(early.bias), len(late.bias)), dim=1)
        return cls(decoder, table, *(part.contiguous() for part in parts))

    def march(self, origins: Tensor, directions: Tensor, depths: Tensor, positions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Both passes; arguments and results are those of ray_marching.march_rays."""
        coarse = self.look(origins, directions, depths)
        weights = interval_weights(depths, coarse.densities)
        if positions.shape[1]:
            fine_depths = importance_depths(depths, weights, positions)
            fine = self.look(origins, directions, fine_depths)
            places = merged_places(depths, fine_depths)
            depths = interleave((depths, fine_depths), places)
            weights = interval_weights(depths, interleave((coarse.densities, fine.densities), places))
            shares = sample_shares(weights)
            varying = self.colours(coarse, shares.gather(1, places[0])) + self.colours(fine, shares.gather(1, places[1]))
        else:
            varying = self.colours(coarse, sample_shares(weights))
        opacity = weights.sum(dim=1)
        colour = opacity[:, None] * self.decoder.constant
        colour[:, self.decoder.outputs] = varying
        return colour, mean_depth(weights, depths), opacity

    def look(self, origins: Tensor, directions: Tensor, depths: Tensor) -> Samples:
        """Densities along rays [r, 3] at depths [r, S]."""
        points = origins.T[..., None] + depths * directions.T[..., None]
        corners = self.table.locate(points.flatten(1))
        hidden = F.softplus(corners.look_up(self.early))
        densities = hidden @ self.decoder.early.to_density + self.decoder.density_bias
        return Samples(corners, hidden, densities.view_as(depths))

    def colours(self, samples: Samples, shares: Tensor) -> Tensor:
        """What samples add to the varying colours [r, o] of their rays, each with its share [r, S]."""
        shows = shares > NEGLIGIBLE
        shown = _where(shows.flatten())
        raw = torch.addmm(self.decoder.colour_bias, samples.hidden.index_select(0, shown), self.decoder.early.to_colour)
        if len(self.decoder.late.bias):
            raw = raw.addmm(F.softplus(samples.corners[shown].look_up(self.late)), self.decoder.late.to_colour)
        return sum_per_ray(colour_from_raw(raw), shares.flatten().index_select(0, shown), shows.sum(dim=1))


def sample_shares(weights: Tensor) -> Tensor:
    """[r, S-1] weights of intervals -> [r, S] shares of the samples at their ends (spec 07 section 2)."""
    return (F.pad(weights, (1, 0)) + F.pad(weights, (0, 1))) / 2


def sum_per_ray(values: Tensor, shares: Tensor, counts: Tensor) -> Tensor:
    """values [K, o] and shares [K] of r rays one after the other, counts [r] of which belong to each ray -> sums [r, o]."""
    every = torch.arange(len(values), device=values.device)
    return F.embedding_bag(every, values, counts.cumsum(dim=0) - counts, per_sample_weights=shares, mode="sum")


def merged_places(coarse: Tensor, fine: Tensor) -> tuple[Tensor, Tensor]:
    """Which places ascending depths [r, Nc] and [r, Nf] take once merged, found by counting: [r, Nc] and [r, Nf] in 0..Nc+Nf-1."""
    smaller_fine, smaller_coarse = torch.searchsorted(fine, coarse, right=True), torch.searchsorted(coarse, fine)
    in_order = torch.arange(max(coarse.shape[1], fine.shape[1]), device=coarse.device)
    return smaller_fine + in_order[: coarse.shape[1]], smaller_coarse + in_order[: fine.shape[1]]


def interleave(values: tuple[Tensor, Tensor], places: tuple[Tensor, Tensor]) -> Tensor:
    """Values [r, Nc] and [r, Nf] put at their places [r, Nc + Nf]."""
    merged = values[0].new_empty(len(values[0]), values[0].shape[1] + values[1].shape[1])
    return merged.scatter_(1, places[0], values[0]).scatter_(1, places[1], values[1])


def _where(chosen: Tensor) -> Tensor:
    return chosen.nonzero()[:, 0]
