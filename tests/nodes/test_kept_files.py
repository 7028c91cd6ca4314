"""Portraits, planes and motions that are saved come back as they were, each from its own loader."""

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


def test_a_film_of_what_was_saved_is_the_film_without_a_detour(host, stages):
    """As on another machine: neither the photo nor the voice is there."""

    def film(portrait, planes, motion):
        shared = {"avatar": stages["avatar"], "portrait": portrait, "motion": motion}
        moving = host.execute("Real3DMotionAdapter", avatar=stages["avatar"], planes=planes, motion=motion)[0]
        camera = host.execute("Real3DCameraPath", portrait=portrait, motion=motion)[0]
        render = host.execute("Real3DRenderHead", avatar=stages["avatar"], planes=moving, camera=camera, resolution=64)[0]
        return host.execute("Real3DSuperResolution", **shared, render=render, size=128)[0]

    loaded = {}
    for kind in ("portrait", "planes", "motion"):
        file = host.execute(f"Real3DSave{kind.title()}", **{kind: stages[kind]}, filename_prefix="sent/film")[0]
        loaded[kind], *layers = host.execute(f"Real3DLoad{kind.title()}", file=file)
        if kind == "portrait":
            assert all(torch.equal(one, other) for one, other in zip(layers, stages["layers"], strict=True))
    assert torch.equal(film(**loaded), film(stages["portrait"], stages["planes"], stages["motion"]))


def test_each_loader_lists_its_own_kind(host, stages):
    """Other files in the folders, broken ones too, are in neither list."""
    from safetensors.torch import save_file

    planes = host.execute("Real3DSavePlanes", planes=stages["planes"], filename_prefix="kinds/head")[0]
    motion = host.execute("Real3DSaveMotion", motion=stages["motion"], filename_prefix="kinds/nod")[0]
    portrait = host.execute("Real3DSavePortrait", portrait=stages["portrait"], filename_prefix="kinds/face")[0]
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
    assert listed("Real3DLoadPortrait") == [portrait]
    whole = (folder / motion.removesuffix(" [output]").removeprefix("kinds/")).read_bytes()
    (folder / "cut.safetensors").write_bytes(whole[:20])
    assert listed("Real3DLoadMotion") == [motion]
    (folder / "cut.safetensors").write_bytes(whole)
    assert len(listed("Real3DLoadMotion")) == 2, "a file that changes is read again"
