"""Exclusive pion channels of an antiproton annihilating at rest on a proton or a neutron.

On a proton: the channel table of the public detector simulation. On a neutron no table is public;
each proton channel is turned into one of total charge -1 with as many pions by changing one pi+
into a pi0 or one pi0 into a pi-, the pion drawn at random. That keeps the pion number, as isospin
symmetry demands of its mean. It gives 17, 61 and 21 % with 1, 3 and 5 charged pions, where
deuterium bubble chambers gave about 16, 60 and 23 % (recalled).
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import cache

from blackett.alphag.geometry.tables import read_numbers
from blackett.alphag.particles import (
    PI_MINUS,
    PI_PLUS,
    PI_ZERO,
    PION_MEV,
    PION_ZERO_MEV,
)

__all__ = ["Channel", "neutron_channels", "proton_channels"]


@dataclass(frozen=True)
class Channel:
    """A final state of pions with its share of all annihilations."""

    share: float
    n_plus: int
    n_minus: int
    n_zero: int

    @property
    def pdg(self) -> tuple[int, ...]:
        """PDG numbers of the pions."""
        charged = (PI_PLUS,) * self.n_plus + (PI_MINUS,) * self.n_minus
        return charged + (PI_ZERO,) * self.n_zero

    @property
    def masses_mev(self) -> list[float]:
        """Masses in the order of `pdg`."""
        return [PION_ZERO_MEV if p == PI_ZERO else PION_MEV for p in self.pdg]


@cache
def proton_channels() -> tuple[Channel, ...]:
    """Channels on a proton; shares sum to 1."""
    rows = read_numbers("channels.csv")
    total = rows[:, 0].sum()
    return tuple(Channel(float(w / total), int(p), int(m), int(z)) for w, p, m, z in rows)


@cache
def neutron_channels() -> tuple[Channel, ...]:
    """Channels on a neutron, total charge -1; shares sum to 1."""
    shares: defaultdict[tuple[int, int, int], float] = defaultdict(float)
    for c in proton_channels():
        candidates = c.n_plus + c.n_zero
        if c.n_plus:
            shares[c.n_plus - 1, c.n_minus, c.n_zero + 1] += c.share * c.n_plus / candidates
        if c.n_zero:
            shares[c.n_plus, c.n_minus + 1, c.n_zero - 1] += c.share * c.n_zero / candidates
    return tuple(Channel(share, *pions) for pions, share in sorted(shares.items()))
