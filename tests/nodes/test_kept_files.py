"""Planes and motions that are saved come back as they were, each from its own loader."""

import pytest
import torch


def test_kept_planes_and_motions_come_back_as_they_were(host, stages):
    file = host.execute("Real3DSavePlanes", planes=stages["planes"])[0]
    loaded = host.execute("Real3DLoadPlanes", file=file)[0]
    assert torch.equal(loaded.streams[0].frames(0, 1).features, stages["planes"].streams[0].frames(0, 1).features)
    assert file in host.nodes["Real3DLoadPlanes"].GET_SCHEMA().inputs[0].options
    file = host.execute("Real3DSaveMotion", motion=stages["motion"], filename_prefix="real3d/a b \u8bed")[0]
    again = host.execute("Real3DLoadMotion", file=file)[0]
    assert again.basis == stages["motion"].basis and torch.equal(again.expression, stages["motion"].expression)
    with pytest.raises(host.core("errors").Real3DError, match="holds no planes"):
        host.execute("Real3DLoadPlanes", file=file)


def test_each_loader_lists_its_own_kind(host, stages):
    """Other files in the folders, broken ones too, are in neither list."""
    from safetensors.torch import save_file

    planes = host.execute("Real3DSavePlanes", planes=stages["planes"], filename_prefix="kinds/head")[0]
    motion = host.execute("Real3DSaveMotion", motion=stages["motion"], filename_prefix="kinds/nod")[0]
    folder = host.folder / "output" / "kinds"
    save_file({"weight": torch.zeros(2)}, folder / "checkpoint.safetensors")
    save_file({"weight": torch.zeros(2)}, folder / "converted.safetensors", metadata={"real3d": '{"audio_dim": 64}'})
    save_file({"weight": torch.zeros(2)}, folder / "listed.safetensors", metadata={"real3d": "[1]"})
    for name, content in (
        ("empty", b""),
        ("long", b"\xff" * 64),
        ("text", b"\x04\0\0\0\0\0\0\0[1]{"),
        ("deep", b"\0\0\x08\0\0\0\0\0" + b"[" * 2**19),
    ):
        (folder / f"{name}.safetensors").write_bytes(content)
    (folder / "folder.safetensors").mkdir(exist_ok=True)

    def listed(node: str) -> list[str]:
        return [name for name in host.nodes[node].GET_SCHEMA().inputs[0].options if name.startswith("kinds/")]

    assert listed("Real3DLoadPlanes") == [planes] and listed("Real3DLoadMotion") == [motion]
    whole = (folder / motion.removesuffix(" [output]").removeprefix("kinds/")).read_bytes()
    (folder / "cut.safetensors").write_bytes(whole[:20])
    assert listed("Real3DLoadMotion") == [motion]
    (folder / "cut.safetensors").write_bytes(whole)
    assert len(listed("Real3DLoadMotion")) == 2, "a file that changes is read again"
