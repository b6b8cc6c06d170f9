"""From photons to counts by deposited energy: positions, conservation, coincidences."""

from __future__ import annotations

import numpy as np
import pytest

from blackett.gamma import folding
from blackett.gamma.background import FluenceRate
from blackett.gamma.detector import detector
from blackett.gamma.kernels import BINS as FLUENCE_BINS
from blackett.gamma.response import response
from blackett.gamma.scene import Scene
from blackett.gamma.sources import source

RC103 = detector("radiacode-103")
BENCH = Scene(50.0, surroundings="bench")
OPEN = Scene(50.0, surroundings="open")
BINS = 2048
EDGES = folding.deposit_edges_kev(BINS)
CENTRES = 0.5 * (EDGES[1:] + EDGES[:-1])


def bin_of(energy_kev: float) -> int:
    return int(np.searchsorted(EDGES, energy_kev, side="right")) - 1


def seen(name: str, scene: Scene = BENCH) -> np.ndarray:
    return folding.deposited(*folding.lines_of(source(name)), scene, RC103, BINS)


def test_edges_are_uniform_in_the_square_root() -> None:
    assert EDGES[0] == 0.0
    assert EDGES[-1] == folding.HIGHEST_KEV
    assert np.diff(np.sqrt(EDGES)) == pytest.approx(np.sqrt(3100.0) / BINS)
    assert not EDGES.flags.writeable


@pytest.mark.parametrize("name", ["Cs-137", "Ra-226", "Th-232", "Am-241"])
def test_lines_that_matter_hold_nearly_all_photons(name: str) -> None:
    energies, photons = folding.lines_of(source(name))
    table = source(name).lines()
    inside = (table.energy_kev >= 10.0) & (table.energy_kev < 2999.0)
    assert energies.shape == photons.shape
    assert np.all((energies >= 10.0) & (energies < 2999.0))
    assert 0.99 < photons.sum() / table.photons_per_decay[inside].sum() <= 1.0 + 1e-12
    assert photons.min() >= folding.FAINTEST_LINE * table.photons_per_decay.sum()


def test_caesium_has_its_peak_in_the_right_bin() -> None:
    counts = seen("Cs-137")
    # the full-energy bin towers over the flat continuum beside it
    assert bin_of(661.657) == np.argmax(np.where(CENTRES > 100.0, counts, 0.0))
    assert counts[bin_of(661.657)] > 20 * counts[bin_of(661.657) + 3]
    assert counts[bin_of(661.657) + 1 :].sum() < 1e-3 * counts.sum()


@pytest.mark.parametrize("scene", [OPEN, BENCH, Scene(15.0, shield=(("lead", 6.0),))])
@pytest.mark.parametrize("name", ["Cs-137", "Co-60", "Am-241", "Ra-226"])
def test_no_more_counts_than_photons_that_reach_the_crystal(name: str, scene: Scene) -> None:
    counts = seen(name, scene)
    photons = folding.lines_of(source(name))[1].sum()
    share = folding.seen_share(RC103, scene.reference_mm)
    assert counts.min() >= -1e-12
    # scattered photons come from every side: a bench may send as many again, never ten times
    assert 0.0 < counts.sum() < 2.0 * photons * share


def test_direct_photons_alone_never_count_more_than_once() -> None:
    energies, photons = np.array([100.0, 662.0, 2000.0]), np.array([1.0, 2.0, 3.0])
    matrix = response("radiacode-103", "front").matrix(energies, EDGES)
    assert np.all(matrix.sum(axis=1) <= 1.0)
    direct = folding.seen_share(RC103, 50.0) * (photons @ matrix)
    # air alone scatters next to nothing towards the detector
    assert folding.deposited(energies, photons, OPEN, RC103, BINS).sum() == pytest.approx(
        direct.sum(), rel=0.03
    )


def test_share_of_the_sphere_falls_with_the_square_of_the_distance() -> None:
    near, far = folding.seen_share(RC103, 505.0), folding.seen_share(RC103, 1005.0)
    assert near / far == pytest.approx(4.0, rel=0.01)
    assert far == pytest.approx(100.0 / (4 * np.pi * 1e6), rel=0.01)
    assert folding.seen_share(RC103, 0.0) < 0.5


def test_scenes_at_once_are_the_scenes_one_by_one() -> None:
    lines = folding.lines_of(source("Eu-152"))
    shielded = Scene(50.0, shield=(("iron", 12.0),), surroundings="desk")
    both = folding.deposited_in_scenes(*lines, (BENCH, shielded), RC103, BINS)
    assert both[0] == pytest.approx(seen("Eu-152"))
    assert both[1] == pytest.approx(seen("Eu-152", shielded))


def test_peak_counts_are_what_the_response_says() -> None:
    energies, photons = folding.lines_of(source("Co-60"))
    peaks = folding.peak_counts(RC103, OPEN, energies, photons)
    counts = seen("Co-60", OPEN)
    for energy, peak in zip(energies, peaks, strict=True):
        if energy > 1000.0:
            place = bin_of(energy)
            assert counts[place] == pytest.approx(peak, rel=0.02)
    full = response("radiacode-103", "front").full_energy(energies)
    assert np.all(peaks <= folding.seen_share(RC103, 50.0) * photons * full)
    # air at 50 mm takes less than 2 % above 1 MeV
    assert peaks[energies > 1000] == pytest.approx(
        (folding.seen_share(RC103, 50.0) * photons * full)[energies > 1000], rel=0.02
    )


def test_cobalt_sums_have_their_peak_at_2506_kev() -> None:
    sums = folding.coincidence_sums(source("Co-60"), RC103, BINS)
    near = (CENTRES > 2480.0) & (CENTRES < 2530.0)
    centroid = (sums * CENTRES)[near].sum() / sums[near].sum()
    assert centroid == pytest.approx(2505.72, abs=1.0)
    full = response("radiacode-103", "front").full_energy([1173.228, 1332.492])
    assert sums[near].sum() == pytest.approx(full.prod(), rel=0.1)
    assert sums[CENTRES > 2515.0].sum() < 1e-3 * sums.sum()


def test_sums_cannot_exceed_pairs_seen_twice() -> None:
    sums = folding.coincidence_sums(source("Co-60"), RC103, BINS)
    total = response("radiacode-103", "front").total([1173.228, 1332.492])
    assert sums.sum() == pytest.approx(total.prod(), rel=0.02)


def test_a_source_without_pairs_has_no_sums() -> None:
    assert not folding.coincidence_sums(source("Mn-54"), RC103, BINS).any()


def test_germanium_sum_peak_is_not_shifted() -> None:
    """Half a bin of the pair spectrum would be half of germanium's resolution."""
    germanium, bins = detector("hpge"), 32768
    edges = folding.deposit_edges_kev(bins)
    sums = folding.coincidence_sums(source("Co-60"), germanium, bins)
    centres = 0.5 * (edges[1:] + edges[:-1])
    near = np.abs(centres - 2505.72) < 8.0
    centroid = (sums * centres)[near].sum() / sums[near].sum()
    assert centroid == pytest.approx(2505.72, abs=0.6)


def test_fluence_from_all_sides_counts_like_the_isotropic_response() -> None:
    rate = FluenceRate(np.array([662.0]), np.array([1.0]), np.zeros(FLUENCE_BINS))
    counts = folding.counted(rate, RC103, BINS)
    isotropic = response("radiacode-103", "isotropic")
    assert counts.sum() == pytest.approx(0.01 * isotropic.total(662.0), rel=1e-6)
    assert counts[bin_of(662.0)] > 0.9 * 0.01 * isotropic.full_energy(662.0)


def test_continuum_counts_grow_in_proportion() -> None:
    flat = FluenceRate(np.zeros(0), np.zeros(0), np.full(FLUENCE_BINS, 1e-3))
    counts = folding.counted(flat, RC103, BINS)
    assert counts.min() >= -1e-15
    assert folding.counted(flat.scaled(3.0), RC103, BINS) == pytest.approx(3.0 * counts)


def test_k_lines_of_lead() -> None:
    energies, shares = folding.k_lines("Pb")
    assert shares.sum() == pytest.approx(1.0)
    assert (energies * shares).sum() == pytest.approx(76.4, abs=1.0)
    assert energies.min() > 72.0
    assert energies.max() < 88.0  # the K edge


def test_bremsstrahlung_grows_with_the_atomic_number() -> None:
    strontium = source("Sr-90")
    glass, iron = (folding.bremsstrahlung_of(strontium, m)[1].sum() for m in ("glass", "iron"))
    assert 0.0 < glass < iron
