"""Why a back end cannot be used."""

from __future__ import annotations


class Refusal(Exception):
    """A back end is not available; the message says why, in a phrase. Never reaches the user: the next back end is taken."""
