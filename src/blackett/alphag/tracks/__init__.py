"""Track finders: from space points to a track number for each point."""

from __future__ import annotations

from blackett.alphag.tracks.chain import ChainSettings, find_chains_of_events
from blackett.alphag.tracks.hough import HoughSettings, find_tracks, find_tracks_of_events

__all__ = [
    "ChainSettings",
    "HoughSettings",
    "find_chains_of_events",
    "find_tracks",
    "find_tracks_of_events",
]
