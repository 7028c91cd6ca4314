"""What a film says about itself: that it is a generated portrait, and of what kind."""

from __future__ import annotations

SOFTWARE = "ComfyUI-Real3DPortrait"
_IPTC = "http://cv.iptc.org/newscodes/digitalsourcetype/"
_WITHOUT_TRAINED_PICTURES = ("analytic",)  # avatars whose frames no network makes


def provenance(avatar: str) -> dict[str, str]:
    """Names and texts for the metadata of a film in which this avatar, such as "analytic" or "real3d", speaks.

    `DigitalSourceType` is an IPTC NewsCode: media made by an algorithm, by a trained one where networks draw the frames.
    """
    kind = "algorithmicMedia" if avatar in _WITHOUT_TRAINED_PICTURES else "trainedAlgorithmicMedia"
    return {
        "comment": f"Generated portrait: a photo moved by {SOFTWARE}, avatar {avatar}. This is no recording of a person.",
        "software": SOFTWARE,
        "avatar": avatar,
        "DigitalSourceType": _IPTC + kind,
    }
