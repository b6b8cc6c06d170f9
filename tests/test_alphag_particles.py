"""Particles: numbers, and compiled look-ups against the table."""

from __future__ import annotations

import numpy as np
import pytest

from blackett.alphag.particles import (
    PARTICLES,
    SPEED_OF_LIGHT_MM_NS,
    charge_of,
    lifetime_mm_of,
    mass_of,
    particle,
)
from blackett.errors import InputError


@pytest.mark.parametrize("p", PARTICLES, ids=lambda p: p.name)
def test_compiled_look_ups_agree_with_the_table(p: object) -> None:
    entry = particle(p.pdg)  # type: ignore[attr-defined]
    assert entry is p
    assert mass_of(entry.pdg) == entry.mass_mev
    assert charge_of(entry.pdg) == entry.charge
    if entry.pdg != 111:  # pi0 decays in the gun
        length = entry.lifetime_ns * SPEED_OF_LIGHT_MM_NS
        assert lifetime_mm_of(entry.pdg) == pytest.approx(length, rel=1e-3)


def test_antiparticles_mirror() -> None:
    for pdg in (11, 13, 211):
        assert charge_of(-pdg) == -charge_of(pdg)
        assert mass_of(-pdg) == mass_of(pdg)


def test_unknown_particle() -> None:
    with pytest.raises(InputError, match="proton"):
        particle(321)


def test_stable_particles_live_for_ever() -> None:
    assert np.isinf(lifetime_mm_of(2212))
    assert np.isinf(lifetime_mm_of(11))
