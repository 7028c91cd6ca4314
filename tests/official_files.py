"""The folder models/real3d as a user of the avatar `real3d` has it: synthetic face model, tiny HuBERT, weights by name."""

from __future__ import annotations

from pathlib import Path

import synthetic_bfm
import torch
from golden import fill
from torch import nn

from real3d_core.real3d.audio_to_motion.network import AudioToMotion


def write_face_model(folder: Path) -> None:
    """bfm/, the small one of the stand-ins."""
    synthetic_bfm.write_assets(folder / "bfm", synthetic_bfm.build(*synthetic_bfm.REDUCED))


class NoNetworks:
    """In place of the official networks, where only what stands beside them matters."""

    class decoder:
        weight1 = torch.zeros(1)

        @classmethod
        def to(cls, device):
            return cls

    class config:
        march_settings = None


def hubert_of(sizes: dict) -> nn.Module:
    """A HuBERT with the reference's weights by name. Needs `transformers`."""
    import transformers

    model = transformers.HubertModel(transformers.HubertConfig(**sizes))
    gain, direction = (f"encoder.pos_conv_embed.conv.parametrizations.weight.original{i}" for i in (0, 1))
    fill(model, {gain: "encoder.pos_conv_embed.conv.weight_g", direction: "encoder.pos_conv_embed.conv.weight_v"})
    return model.eval()


def write_voice(folder: Path) -> None:
    """audio2secc_vae/ and hubert/: as wide as the published HuBERT, but one layer deep. Needs `transformers`."""
    import transformers

    network = AudioToMotion()
    fill(network)
    (folder / "audio2secc_vae").mkdir(parents=True)
    content = {"epoch": 1, "state_dict": {"model": network.state_dict()}}
    torch.save(content, folder / "audio2secc_vae" / "model_ckpt_steps_400000.ckpt", _use_new_zipfile_serialization=False)
    (folder / "audio2secc_vae" / "config.yaml").write_text("audio_type: hubert\n")
    sizes = {"hidden_size": 1024, "num_hidden_layers": 1, "num_attention_heads": 16, "intermediate_size": 64, "conv_dim": [32] * 7}
    kind = {"conv_bias": True, "feat_extract_norm": "layer", "do_stable_layer_norm": True, "feat_proj_layer_norm": True}
    hubert = transformers.HubertModel(transformers.HubertConfig(**sizes, **kind))
    fill(hubert)
    hubert.save_pretrained(folder / "hubert")
