"""What a film says about itself: that it is a generated portrait, and of what kind."""

from __future__ import annotations

import os

from .avatar_kinds import avatar_kinds

SOFTWARE = "ComfyUI-Real3DPortrait"
_IPTC = "http://cv.iptc.org/newscodes/digitalsourcetype/"


def provenance(avatar: str) -> dict[str, str]:
    """Names and texts for the metadata of a film in which this avatar, such as "analytic" or "real3d", speaks.

    `DigitalSourceType` is an IPTC NewsCode: media made by an algorithm, by a trained one where networks draw the frames.
    """
    untrained = any(kind.name == avatar and not kind.trained for kind in avatar_kinds())
    kind = "algorithmicMedia" if untrained else "trainedAlgorithmicMedia"
    return {
        "comment": f"Generated portrait: a photo moved by {SOFTWARE}, avatar {avatar}. This is not a recording of a person.",
        "software": SOFTWARE,
        "avatar": avatar,
        "DigitalSourceType": _IPTC + kind,
    }


def stated_by(film: str | os.PathLike) -> dict[str, str]:
    """What a film says in this way; empty where it says nothing."""
    from .media.container import opened

    names = {name.lower(): name for name in provenance("")}
    with opened(os.fspath(film)) as container:
        said = {names[key.lower()]: text for key, text in container.metadata.items() if key.lower() in names}
    return said if said.get("software") == SOFTWARE else {}
