"""A further avatar is one folder and one line, for the nodes too."""

from toy_avatar import announce


def test_a_third_avatar_is_offered_and_loaded_by_the_nodes(host, monkeypatch):
    announce(host.core("avatar_kinds").__package__, monkeypatch)
    runtime = host.part("runtime")
    assert "toy (of the tests)" in runtime.avatar_choices()
    toy = runtime.load_avatar("toy (of the tests)")
    photo, voice = host.inputs["portrait.png"], host.inputs["voice.wav"]
    assert toy.name == "toy" and runtime.avatar_fingerprint("toy (of the tests)") == ()
    assert host.execute("Real3DTalkingPortrait", image=photo, audio=voice, avatar=toy, size=64)[1].eq(0.5).all()
