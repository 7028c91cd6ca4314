"""A sound becomes expressions of the face model: HuBERT, pitch and the variational model, in one call (spec 05)."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

from torch import Tensor, nn

from ...avatar import SpeechStyle
from ...media.sound import Sound
from ...progress import Progress, no_progress
from .hubert import SpeechFeatures, speech_features
from .network import AudioToMotion, predict_expression
from .sound import audible, sixteen_kilohertz

if TYPE_CHECKING:
    from transformers import HubertModel

NATURAL_MOUTH = 0.45  # the published program's mouth amplitude; 1 is the largest it knows (spec 05 section 7)
KEPT_BYTES = 256 * 2**20  # of features; 0.2 MB a second, so about twenty minutes


class VoiceNetworks(nn.Module):
    """Both networks that hear, together so that a host moves them together."""

    def __init__(self, hubert: HubertModel, audio_to_motion: AudioToMotion):
        super().__init__()
        self.hubert = hubert
        self.audio_to_motion = audio_to_motion


class Voice:
    """sound, style -> expressions. The features of the latest sounds are cached, so that a change of style alone is fast.

    Args:
        load: loads the networks; called when the first voice is processed, or when they are requested.
        kept_bytes: size of the feature cache in bytes.
    """

    def __init__(self, load: Callable[[], VoiceNetworks], kept_bytes: int = KEPT_BYTES):
        self.networks = cache(load)
        self._kept_bytes = kept_bytes
        self._kept: OrderedDict[str, SpeechFeatures] = OrderedDict()

    def __call__(self, sound: Sound, style: SpeechStyle, progress: Progress = no_progress) -> Tensor:
        """[N, 64] expressions at 25 frames a second, N up to 0.14 s longer than the sound.

        Raises:
            SoundError: less than 32 ms. MissingModelError: the networks' files are missing or do not belong together.
        """
        speech = self._features(sound, progress)
        return predict_expression(
            self.networks().audio_to_motion,
            speech.features,
            speech.f0,
            mouth_amp=min(NATURAL_MOUTH * style.amplitude, 1.0),
            temperature=style.temperature,
            seed=style.seed,
        )

    def _features(self, sound: Sound, progress: Progress) -> SpeechFeatures:
        key = _fingerprint(sound)
        if key not in self._kept:
            self._kept[key] = speech_features(sixteen_kilohertz(audible(sound)), self.networks().hubert, progress)
        self._kept.move_to_end(key)
        latest = self._kept[key]
        while sum(kept.features.nbytes for kept in self._kept.values()) > self._kept_bytes:
            self._kept.popitem(last=False)
        return latest


def _fingerprint(sound: Sound) -> str:
    samples = sound.samples.contiguous().cpu().numpy()
    return f"{hashlib.blake2b(samples, digest_size=16).hexdigest()} {samples.shape} {sound.rate}"
