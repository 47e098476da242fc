"""The agent styles an episode can have."""

from __future__ import annotations

from terret.journal import EpisodeOpened
from terret.models import Sampling, dialect
from terret.runtime._agent import Agent, Image
from terret.runtime._free import FreeImage
from terret.runtime._guided import GuidedImage
from terret.runtime._staged import StagedImage

IMAGES = ("free", "guided")
"""The agent styles: any tool in one conversation, or one small question after another."""


def image_of(opened: EpisodeOpened, agent: Agent, sampling: Sampling, window: int) -> Image:
    """The style an episode was opened with, over a context window of so many tokens."""
    if opened.image == "guided" and opened.level == "H3":
        return StagedImage(agent, sampling, window, ablated=frozenset(opened.ablated))
    if opened.image == "guided":
        return GuidedImage(agent, sampling, window)
    return FreeImage(agent, dialect(opened.dialect), sampling, window)
