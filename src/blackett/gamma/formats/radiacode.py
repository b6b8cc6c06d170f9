"""What all files of the RadiaCode family share: serial numbers, overflow channel, dead time.

Sources: the maker's manual (the last channel holds everything above the graph), the constant of
5 us a count that the maker's app takes off (also in sandialabs/SpecUtils, issues 35 and 42).
"""

from __future__ import annotations

import re

from blackett.gamma.formats.parsing import fail

DEAD_TIME_S = 5e-6
"""Dead time per count that the app itself assumes; a two-source measurement gave 0.5 to 18 us."""
LIVE_STATED = "live time stated in the file"
LIVE_DEAD_TIME = "real time less 5 us a count"
LIVE_REAL = "real time, no dead time known"

_SERIAL = re.compile(r"RC-(101|102|103G|103|110)-?[0-9]")
_NAME = re.compile(r"radia ?code[- ]?(101|102|103G|103|110)?", re.IGNORECASE)


def device_of(serial: str, stated: str) -> tuple[str, tuple[str, ...]]:
    """Model of a device, and a warning when its name and its serial number disagree.

    Files carry wrong names (a RadiaCode-101 that is a 102); the serial number's prefix decides.
    """
    match = _SERIAL.match(serial.upper())
    if match is None:
        return stated, ()
    model = f"RadiaCode-{match[1]}"
    named = _NAME.match(stated)
    same = named is not None and (named[1] or "").upper() == match[1]
    if same or not stated:
        return model, ()
    return model, (f"device named {stated} has the serial number of a {model}: taken as {model}",)


def is_radiacode(device: str) -> bool:
    """Whether a model name belongs to the family."""
    return _NAME.match(device) is not None


def overflow_channel(device: str, n_channels: int) -> int | None:
    """The last channel of a complete RadiaCode spectrum (256 or 1024 channels), else None."""
    return n_channels - 1 if is_radiacode(device) and n_channels in (256, 1024) else None


def live_time(device: str, real_time_s: float, total_counts: int, place: str) -> tuple[float, str]:
    """Live time of a recording that states its real time alone, and the rule that was used."""
    if not is_radiacode(device):
        return real_time_s, LIVE_REAL
    live = real_time_s - DEAD_TIME_S * total_counts
    if live <= 0:
        raise fail(
            place, f"{total_counts} counts in {real_time_s} s leave no live time at 5 us each"
        )
    return live, LIVE_DEAD_TIME
