"""The simple node has the options of the stages and does with them what the stages do."""

from fractions import Fraction

import pytest
import torch


class TestSimple:
    """The one node that does everything."""

    def test_it_makes_films_of_another_rate(self, host, simple, tmp_path):
        videos, last, fps = simple(fps=23.976)
        assert fps == 24000 / 1001 and videos[0].get_frame_rate() == Fraction(24000, 1001)
        assert videos[0].get_frame_count() == 15 and last.shape == (1, 64, 64, 3)  # 0.6 s
        videos[0].save_to(str(tmp_path / "film.mp4"))
        assert host.core("media.clip").open_clip(tmp_path / "film.mp4").fps == pytest.approx(24000 / 1001, abs=1e-6)
        assert simple()[2] == 25.0

    def test_another_voice_begins_at_once(self, host, simple, monkeypatch):
        simple()
        for heavy in ("lift", "PlaneBender", "Composer"):
            monkeypatch.setattr(host.core("analytic.avatar"), heavy, None)
        monkeypatch.setattr(host.core("portrait.remembered"), "prepare_portrait", None)
        simple(mouth_amplitude=0.5, seed=1)

    def test_its_options_are_those_of_the_stages(self, host):
        def described(node_id: str, name: str) -> dict:
            socket = next(one for one in host.nodes[node_id].GET_SCHEMA().inputs if one.id == name)
            return {**socket.as_dict(), "optional": None}

        for stage, name in (("PreparePortrait", "face_index"), ("PreparePortrait", "face_area"), ("AudioToMotion", "transcript")):
            assert described("Real3DTalkingPortrait", name) == described(f"Real3D{stage}", name)

    def test_it_takes_the_face_that_is_asked_for(self, host, simple):
        with pytest.raises(host.core("errors").NoFaceError, match="shows 1"):
            simple(face_index=1)
        with pytest.raises(host.core("errors").Real3DError, match=r"'face_area' is 0\.9"):
            simple(face_area=0.9)
        wide, close = (simple(face_area=area, framing="crop")[1] for area in (0.2, 0.5))
        assert (wide - close).abs().mean() > 0.02

    def test_its_last_frame_is_an_image_like_any_other_within_the_whole_photo_too(self, simple):
        last = simple(framing="whole photo")[1]
        assert last.dtype == torch.float32 and 0.5 < last.max() <= 1

    def test_it_times_the_lips_by_the_words(self, host, simple, monkeypatch):
        styles = []
        analytic = host.core("analytic.avatar").AnalyticAvatar
        real = analytic.audio_to_motion
        monkeypatch.setattr(
            analytic, "audio_to_motion", lambda self, sound, style, *more: (styles.append(style), real(self, sound, style, *more))[1]
        )
        simple(transcript=" oh no ")
        simple()
        assert [style.transcript for style in styles] == ["oh no", None]
