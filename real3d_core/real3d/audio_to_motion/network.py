"""The paper's audio-to-motion model: HuBERT features and F0 -> expression coefficients (spec 05 sections 5 to 8)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...errors import MissingModelError


@dataclass(frozen=True)
class AudioToMotionConfig:
    """Sizes of the network; the defaults are the published model (spec 05 section 5).

    features: channels of the sound features. motion: expression coefficients of a frame. width: conditioning channels.
    pitch_bins: rows of the pitch table (rows 0 and 256.. are never read, spec 05 section 4.3).
    latent: channels of the flow. decoder: hidden channels of the decoder. coupling: hidden channels of a coupling layer.
    """

    features: int = 1024
    motion: int = 64
    width: int = 128
    pitch_bins: int = 300
    latent: int = 16
    couplings: int = 4
    coupling: int = 64
    decoder: int = 256
    layers: int = 4


class AudioToMotion(nn.Module):
    """Conditional flow-VAE, inference direction only.

    Parameter names are the names in the published checkpoint (`state_dict["model"]`), so loading needs no key table;
    the checkpoint's `vae.encoder.*` is the posterior encoder of the training and has no place here (spec 05 section 5.5).
    """

    def __init__(self, config: AudioToMotionConfig | None = None):
        super().__init__()
        self.config = config = config or AudioToMotionConfig()
        width = config.width
        self.mouth_amp_embed = nn.Parameter(torch.zeros(width))
        self.blink_embed = nn.Embedding(2, width)
        # "mel" is the file's historical name: what enters are HuBERT features (spec 05 section 11, item 1)
        self.mel_encoder = _sequence_encoder(config.features, width)
        self.pitch_embed = nn.Embedding(config.pitch_bins, width)
        self.pitch_encoder = _sequence_encoder(width, width)
        self.cond_proj = nn.Linear(4 * width, width)
        self.vae = FlowPrior(config)

    def forward(self, features: Tensor, f0: Tensor, blink: Tensor, mouth_amp: Tensor, noise: Tensor) -> Tensor:
        """Expression coefficients at 25 frames a second.

        Args:
            features: [B, T8, 1024] sound features at 50 Hz, T8 a multiple of 8.
            f0: [B, T8] Hz at 50 Hz, 0 where unvoiced.
            blink: [B, T8] integers 0 or 1 at 50 Hz; 0 outside training.
            mouth_amp: [B], 0 to 1; larger opens the mouth wider.
            noise: [B, 16, T8 / 8], the standard normal draw already multiplied by the temperature.

        Returns: [B, T8 / 2, 64], absolute coefficients without identity and pose.
        """
        condition = self.condition(features, f0, blink, mouth_amp)
        return self.vae(noise, condition.transpose(1, 2)).transpose(1, 2)

    def condition(self, features: Tensor, f0: Tensor, blink: Tensor, mouth_amp: Tensor) -> Tensor:
        """[B, N, width] conditioning at 25 frames a second, N = T8 / 2 (spec 05 section 5.2)."""
        if features.shape[1] % 8:
            raise ValueError(f"the features must be padded to a multiple of 8 frames, there are {features.shape[1]}")
        # every second frame is picked, nothing is averaged (spec 05 section 11, item 2)
        features, f0, blink = features[:, ::2], f0[:, ::2], blink[:, ::2]
        sound = self.mel_encoder(features.transpose(1, 2)).transpose(1, 2)
        pitch = self.pitch_encoder(self.pitch_embed(pitch_bin(f0)).transpose(1, 2)).transpose(1, 2)
        mouth = (mouth_amp[:, None] * self.mouth_amp_embed)[:, None].expand_as(sound)
        return self.cond_proj(torch.cat([sound, pitch, self.blink_embed(blink.long()), mouth], dim=-1))


class FlowPrior(nn.Module):
    """Noise -> latent by the flow run backwards, latent -> motion by the decoder; named `vae` in the checkpoint."""

    def __init__(self, config: AudioToMotionConfig):
        super().__init__()
        self.g_pre_net = nn.Sequential(nn.Conv1d(config.width, config.width, 8, stride=4, padding=2))
        self.prior_flow = PriorFlow(config)
        self.decoder = MotionDecoder(config)

    def forward(self, noise: Tensor, condition: Tensor) -> Tensor:
        """[B, 16, S] noise and [B, width, 4 S] conditioning -> [B, motion, 4 S]."""
        # the flow runs at 6.25 Hz, the decoder at 25 Hz (spec 05 section 11, item 5)
        latent = self.prior_flow(noise, self.g_pre_net(condition))
        return self.decoder(latent, condition)


class PriorFlow(nn.Module):
    """Mean-only coupling layers between channel flips (spec 05 section 5.3).

    The file counts the flips too: couplings are flows.0, .2, .4, .6, flips (without parameters) the odd numbers.
    """

    def __init__(self, config: AudioToMotionConfig):
        super().__init__()
        self.flows = nn.ModuleList(nn.Identity() if i % 2 else Coupling(config) for i in range(2 * config.couplings))

    def forward(self, noise: Tensor, condition: Tensor) -> Tensor:
        for coupling in reversed(self.flows[::2]):
            noise = coupling(noise.flip(1), condition)  # a flip comes first (spec 05 section 11, item 4)
        return noise


class Coupling(nn.Module):
    """Subtracts from the second half of the channels what the first half and the conditioning predict."""

    def __init__(self, config: AudioToMotionConfig):
        super().__init__()
        half = config.latent // 2
        self.pre = nn.Conv1d(half, config.coupling, 1)
        self.enc = GatedStack(config.coupling, 3, config.layers, config.width)
        self.post = nn.Conv1d(config.coupling, half, 1)

    def forward(self, latent: Tensor, condition: Tensor) -> Tensor:
        kept, shifted = latent.chunk(2, dim=1)
        return torch.cat([kept, shifted - self.post(self.enc(self.pre(kept), condition))], dim=1)


class MotionDecoder(nn.Module):
    """Latent at 6.25 Hz -> motion at 25 Hz (spec 05 section 5.4)."""

    def __init__(self, config: AudioToMotionConfig):
        super().__init__()
        self.pre_net = nn.Sequential(nn.ConvTranspose1d(config.latent, config.decoder, 4, stride=4))
        self.wn = GatedStack(config.decoder, 5, config.layers, config.width)
        self.out_proj = nn.Conv1d(config.decoder, config.motion, 1)

    def forward(self, latent: Tensor, condition: Tensor) -> Tensor:
        return self.out_proj(self.wn(self.pre_net(latent), condition))


class GatedStack(nn.Module):
    """Gated residual convolutions; the sum of the skips comes out, the running input is discarded (spec 05 section 5.1)."""

    def __init__(self, hidden: int, kernel: int, layers: int, condition: int):
        super().__init__()
        self.hidden = hidden
        self.cond_layer = WeightNormConv1d(condition, 2 * hidden * layers, 1)
        self.in_layers = nn.ModuleList(WeightNormConv1d(hidden, 2 * hidden, kernel) for _ in range(layers))
        self.res_skip_layers = nn.ModuleList(WeightNormConv1d(hidden, 2 * hidden if i < layers - 1 else hidden, 1) for i in range(layers))

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        skips = torch.zeros_like(x)
        steered = self.cond_layer(condition).chunk(len(self.in_layers), dim=1)
        for convolve, steer, res_skip in zip(self.in_layers, steered, self.res_skip_layers, strict=True):
            signal, gate = (convolve(x) + steer).chunk(2, dim=1)
            out = res_skip(torch.tanh(signal) * torch.sigmoid(gate))
            if out.shape[1] == self.hidden:  # the last layer has no residual half
                return skips + out
            x, skips = x + out[:, : self.hidden], skips + out[:, self.hidden :]
        return skips


class WeightNormConv1d(nn.Module):
    """Convolution whose weight is stored as a gain per output channel and a direction (`weight_g`, `weight_v`)."""

    def __init__(self, inputs: int, outputs: int, kernel: int):
        super().__init__()
        self.weight_g = nn.Parameter(torch.ones(outputs, 1, 1))
        self.weight_v = nn.Parameter(torch.randn(outputs, inputs, kernel) / (inputs * kernel) ** 0.5)
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Tensor) -> Tensor:
        weight = self.weight_g * self.weight_v / self.weight_v.norm(dim=(1, 2), keepdim=True)
        return F.conv1d(x, weight, self.bias, padding=self.weight_v.shape[2] // 2)


def _sequence_encoder(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv1d(inputs, outputs, 3, padding=1, bias=False),
        nn.BatchNorm1d(outputs),
        nn.GELU(),
        nn.Conv1d(outputs, outputs, 3, padding=1, bias=False),
    )


_MEL_LOW, _MEL_HIGH = 77.75496616579426, 1064.4082331636394  # 50 Hz and 1100 Hz


def pitch_bin(f0: Tensor) -> Tensor:
    """Row of the pitch table for each F0 in Hz, 1 to 255; unvoiced is 1, not 0 (spec 05 section 4.3).

    Float32 in this very order of operations: the rounding decides bins.
    """
    mel = 1127.0 * torch.log(1.0 + f0.float() / 700.0)
    scaled = torch.where(mel > 0, (mel - _MEL_LOW) * 254.0 / (_MEL_HIGH - _MEL_LOW) + 1.0, mel)
    return torch.floor(scaled.clamp(1.0, 255.0) + 0.5).long()


def prior_noise(latent: int, steps: int, seed: int) -> Tensor:
    """[1, latent, steps] standard normal draw of one utterance, drawn on the processor from its own generator (spec 05 section 6)."""
    return torch.randn(1, latent, steps, generator=torch.Generator().manual_seed(seed))


WINDOW = 3000  # frames predicted at once: two minutes, about 120 MB
CONTEXT = 80  # frames on either side that still influence a frame (spec 05 section 5.6)


@torch.no_grad()
def predict_expression(
    model: AudioToMotion,
    features: Tensor,
    f0: Tensor,
    *,
    mouth_amp: float = 0.45,
    temperature: float = 0.2,
    seed: int = 42,
    window: int = WINDOW,
) -> Tensor:
    """Expression coefficients of one utterance.

    Args:
        model: in eval mode.
        features: [T8, 1024] at 50 Hz, T8 a multiple of 8 (`hubert.speech_features`).
        f0: [T8] Hz, 0 where unvoiced (`pitch.pitch_track`).
        mouth_amp: 0 to 1; larger opens the mouth wider.
        temperature: 0 to 1, scale of the noise; 0 leaves no chance.
        seed: of the noise.
        window: frames computed at once, a multiple of 4; memory grows with it, the result does not depend on it
            beyond float32 rounding.

    Returns: [T8 / 2, 64] float32 on the processor, absolute values per frame at 25 frames a second.

    Raises: MissingModelError if the features come from another HuBERT than the model was trained with.
    """
    if features.shape[1] != model.config.features:
        raise MissingModelError(
            f"The HuBERT in use gives {features.shape[1]} features, but the audio-to-motion model needs {model.config.features}: "
            "use the HuBERT-large that belongs to it."
        )
    frames = features.shape[0] // 2
    device = model.mouth_amp_embed.device
    noise = temperature * prior_noise(model.config.latent, frames // 4, seed)
    never = torch.zeros(features.shape[0], dtype=torch.long)  # blinks, as in the published demos
    amplitude = torch.tensor([float(mouth_amp)], device=device)
    parts = []
    for start in range(0, frames, window):
        stop = min(start + window, frames)
        left, right = max(0, start - CONTEXT), min(frames, stop + CONTEXT)
        rows = slice(2 * left, 2 * right)
        sound, pitch, lids = (track[None, rows].to(device) for track in (features, f0, never))
        part = model(sound, pitch, lids, amplitude, noise[:, :, left // 4 : right // 4].to(device))
        parts.append(part[0, start - left : stop - left].float().cpu())
    return torch.cat(parts)
