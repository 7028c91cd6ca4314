"""A further avatar is one folder and one line, for the nodes too."""

from toy_avatar import announce


def test_a_third_avatar_is_offered_and_loaded_by_the_nodes(host, monkeypatch):
    announce(host.core("avatar_kinds").__package__, monkeypatch)
    folders, device = host.part("runtime.folders"), host.part("runtime.device")
    assert "toy (of the tests)" in folders.avatar_choices()
    toy = device.load_avatar("toy (of the tests)")
    photo, voice = host.inputs["portrait.png"], host.inputs["voice.wav"]
    assert toy.name == "toy" and folders.avatar_fingerprint("toy (of the tests)") == ()
    assert host.execute("Real3DTalkingPortrait", image=photo, audio=voice, avatar=toy, size=64)[1].eq(0.5).all()
