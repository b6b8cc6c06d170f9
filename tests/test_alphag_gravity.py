"""From z to g: field, trapped atoms, escapes, response, likelihood, budget, report."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy.special import expit

from blackett.alphag.formats import data_sha256, write_parquet
from blackett.alphag.gravity import (
    Campaign,
    EscapeCurve,
    EscapeTable,
    Model,
    Priors,
    Selection,
    Setting,
    Trap,
    budget_of,
    closure,
    fit,
    fit_curve,
    judge,
    measure,
    needs,
    release,
    sample_atoms,
    shipped_escapes,
    shipped_landings,
)
from blackett.alphag.gravity.atoms import Atoms, Release, energies_t, fly
from blackett.alphag.gravity.budget import PUBLISHED_G, known
from blackett.alphag.gravity.escape import (
    BIASES_G,
    Landings,
    Point,
    points,
    read_pieces,
    simulate_escapes,
)
from blackett.alphag.gravity.field import (
    KELVIN_PER_T,
    TESLA_PER_MM,
    coil_field,
    field_at,
    mirror_strengths,
    well_of,
)
from blackett.alphag.gravity.judged import Judged
from blackett.alphag.gravity.likelihood import NUISANCES, Counts, _best_atoms, asimov, toy
from blackett.alphag.gravity.response import Response, acceptance, cosmic_rate_hz
from blackett.alphag.gravity.straight import pair_residual_mm2
from blackett.alphag.reconstruction import settings_hash
from blackett.alphag.simulation import find_recipe, simulate_batches
from blackett.cli import main
from blackett.errors import InputError, MissingDataError
from blackett.seeds import generator

if TYPE_CHECKING:
    from pathlib import Path

    from blackett.arrays import FloatArray

TRAP = Trap()
QUICK = Release(ramp_s=0.5, wait_s=0.2, step_s=2e-4, axial=True)


# --- field -------------------------------------------------------------------------


def test_one_g_over_256_mm() -> None:
    """1.770e-3 T/m; 4.53e-4 T and 0.304 mK over 256 mm."""
    assert pytest.approx(1.770e-6, rel=1e-3) == TESLA_PER_MM
    assert TRAP.bias_t(1.0) == pytest.approx(4.53e-4, rel=2e-3)
    assert TRAP.bias_t(1.0) * KELVIN_PER_T == pytest.approx(0.304e-3, rel=2e-3)


def test_barriers_balance_at_a_bias_of_one_g() -> None:
    for common_t in (0.8, 0.1, 0.01):
        low, high = mirror_strengths(TRAP, common_t, 1.0)
        centres = [[0, 0, TRAP.lower_mm], [0, 0, TRAP.upper_mm]]
        size = field_at(TRAP, centres, low, high)[:, 0]
        assert size[0] - size[1] == pytest.approx(4.53e-4, rel=2e-3)
        weight = TESLA_PER_MM * np.array([TRAP.lower_mm, TRAP.upper_mm])
        assert np.ptp(size + weight) < 1e-12


def random_points(n: int, seed: int) -> FloatArray:
    rng = generator(seed)
    r, phi = 22 * np.sqrt(rng.random(n)), rng.uniform(0, 2 * np.pi, n)
    return np.stack([r * np.cos(phi), r * np.sin(phi), rng.uniform(-790, -200, n)], axis=1)


def test_gradient_is_that_of_the_field() -> None:
    at, step = random_points(3000, 1), 0.01
    found = field_at(TRAP, at, 0.8, 0.7)
    for axis in range(3):
        moved = np.eye(3)[axis] * step
        ends = (field_at(TRAP, at + s * moved, 0.8, 0.7)[:, 0] for s in (1, -1))
        numeric = next(ends) - next(ends)
        # 3e-7 T, 7e-4 of 1 g: where a node of the table lies between the two points
        assert numeric == pytest.approx(2 * step * found[:, 1 + axis], abs=3e-7)


@pytest.mark.parametrize(("r_mm", "tolerance"), [(0, 1e-5), (10, 5e-5), (15, 4e-4), (22, 4e-3)])
def test_expansion_against_elliptic_integrals(r_mm: float, tolerance: float) -> None:
    """A coil's field by loops; the solenoid's 1 T is there, the octupole not."""
    z = np.linspace(-90, 90, 61)
    b_r, b_z = coil_field(TRAP.coil_radius_mm, TRAP.coil_length_mm, r_mm, z)
    plain = replace(TRAP, octupole_t=1e-12)
    at = np.stack([0 * z + r_mm, 0 * z, z + TRAP.upper_mm], axis=1)
    found = field_at(plain, at, 0.0, 1.0)[:, 0]
    assert found == pytest.approx(np.hypot(b_r, 1 + b_z), abs=tolerance)


def test_well_has_the_published_depth() -> None:
    well = well_of(TRAP, 0.0, 0.0)
    assert well.depth_k == pytest.approx(0.5, abs=0.02)
    assert well.radial_t > well.axial_t
    with pytest.raises(InputError, match="without a well"):
        well_of(TRAP, 0.0, 1000.0, common_t=0.01)


def test_bad_traps_are_refused() -> None:
    with pytest.raises(InputError, match="lower coil below"):
        Trap(lower_mm=-400.0)
    with pytest.raises(InputError, match="fields > 0"):
        Trap(octupole_t=0.0)
    with pytest.raises(InputError, match=r"give \(n, 3\)"):
        field_at(TRAP, [[0.0, 1.0]], 0.0, 0.0)
    with pytest.raises(InputError, match="finite times"):
        Release(step_s=float("nan"))


# --- atoms -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def atoms() -> Atoms:
    return sample_atoms(Release(), 24, generator(3))


def test_energy_swings_but_does_not_drift(atoms: Atoms) -> None:
    strengths = mirror_strengths(TRAP, TRAP.mirror_t, 1.0)
    start = energies_t(TRAP, atoms, *strengths, 1.0)

    def spread(step_s: float, until_s: float) -> float:
        end = fly(Release(step_s=step_s), atoms, 1.0, 1.0, np.inf, until_s)
        assert (end.fate == 0).all()
        return float(np.std(energies_t(TRAP, end, *strengths, 1.0) - start))

    short, long = spread(1e-5, 0.05), spread(1e-5, 0.5)
    assert long < 2.5 * short
    assert long < 1e-3 * well_of(TRAP, 0.0, 0.0).depth_t
    assert spread(5e-6, 0.5) < 0.5 * long


def test_flight_runs_backwards_to_its_start(atoms: Atoms) -> None:
    """Leapfrog is reversible: the same path with turned velocities."""
    there = fly(Release(), atoms, 0.0, 1.0, np.inf, 0.004)
    back = fly(Release(), Atoms(there.position_mm, -there.velocity_mm_s), 0.0, 1.0, np.inf, 0.004)
    assert back.position_mm == pytest.approx(atoms.position_mm, abs=1e-5)


def test_free_fall() -> None:
    """In a field without gradient, on the axis far from the coils, gravity alone acts."""
    start = Atoms(np.array([[0.0, 0.0, -90.0]]), np.zeros((1, 3)))
    flat = Release(trap=replace(TRAP, octupole_t=1e-12, mirror_t=1e-9), step_s=1e-4)
    end = fly(flat, start, 0.0, 1.0, 1e-9, 0.05)
    assert end.position_mm[0, 2] == pytest.approx(-90 - 9806.65 / 2 * 0.05**2, abs=0.05)


def test_atoms_fill_the_well() -> None:
    made = sample_atoms(Release(), 3000, generator(4))
    well, strengths = well_of(TRAP, 0.0, 0.0), mirror_strengths(TRAP, TRAP.mirror_t, 0.0)
    above = energies_t(TRAP, made, *strengths, 0.0) - well.bottom_t
    assert above.min() > 0 and above.max() < well.depth_t
    cold = sample_atoms(Release(temperature_k=0.1), 1000, generator(4))
    colder = energies_t(TRAP, cold, *strengths, 0.0) - well.bottom_t
    assert colder.mean() < 0.9 * above.mean()
    direction = made.velocity_mm_s / np.linalg.norm(made.velocity_mm_s, axis=1)[:, None]
    assert np.abs(direction.mean(axis=0)).max() < 4 / np.sqrt(3 * 3000)
    with pytest.raises(InputError, match="at least 1"):
        sample_atoms(Release(), 0, generator(4))


def test_endings_lie_on_the_wall_of_their_side(atoms: Atoms) -> None:
    end = release(Release(ramp_s=0.3), atoms, 0.0, 1.0)
    r, side = np.hypot(*end.position_mm[:, :2].T), end.side(TRAP)
    hit = end.fate == 1
    assert hit.sum() > 15
    face = np.abs((end.position_mm[:, 2] + 1) % 2 - 1) < 1e-6  # steps are at even heights
    assert (np.isclose(r, 14.8) | np.isclose(r, 22.2) | np.isclose(r, 24.0) | face)[hit].all()
    assert (r[hit] > 14.7).all() and (r[hit] < 24.01).all()
    assert set(side[hit]) <= {-1, 0, 1} and (side[end.fate == 0] == 0).all()


def test_axial_atoms_leave_by_the_lower_barrier() -> None:
    made = sample_atoms(QUICK, 300, generator(5))
    assert not made.position_mm[:, :2].any()
    down = [int((release(QUICK, made, b, 0.0).side(TRAP) < 0).sum()) for b in (-100.0, 0.0, 100.0)]
    assert down[0] > 250 and down[2] < 50
    assert abs(down[1] - 150) < 4 * np.sqrt(300) / 2


# --- escapes -----------------------------------------------------------------------


def test_escapes_go_on_where_they_stopped(tmp_path: Path) -> None:
    at = [Point(0.0, -50.0), Point(0.0, 50.0)]
    first = list(simulate_escapes(QUICK, at, 20, 6, tmp_path, piece=10))
    assert first[0] == (0, 4) and first[-1] == (4, 4)
    kept = sorted(tmp_path.glob("*.npy"))
    kept[0].unlink()
    table, _ = read_pieces(tmp_path, at)
    assert (table.down + table.up + table.between + table.trapped).tolist() == [20, 10]
    assert list(simulate_escapes(QUICK, at, 20, 6, tmp_path, piece=10)) == [(3, 4), (4, 4)]
    table, landings = read_pieces(tmp_path, at)
    assert table.down[0] > table.up[0] and table.up[1] > table.down[1]
    assert landings.down.sum() == table.down.sum()
    with pytest.raises(InputError, match="other settings"):
        list(simulate_escapes(replace(QUICK, ramp_s=1.0), at, 20, 6, tmp_path, piece=10))
    with pytest.raises(MissingDataError, match="simulate them first"):
        read_pieces(tmp_path, points())


def synthetic_table(c: FloatArray, n: int) -> EscapeTable:
    truth = EscapeCurve(c, np.zeros((5, 5)))
    at = points(BIASES_G)
    a, bias = np.array([[p.a_g, p.bias_g] for p in at]).T
    down = generator(7).binomial(n, truth.down(bias, a)).astype(float)
    none = np.zeros(len(at))
    return EscapeTable(a, bias, down, n - down, none, none)


def test_curve_fit_finds_its_coefficients() -> None:
    c = np.array([-0.1, 0.8, -0.01, 0.05, 0.03])
    found = fit_curve(synthetic_table(c, 3000))
    pulls = (found.coefficients - c) / np.sqrt(np.diag(found.covariance))
    assert np.abs(pulls).max() < 4
    assert 0.4 < found.deviance_per_dof < 1.8


def test_shipped_escapes_balance_where_gravity_does() -> None:
    """Three sigma of 3900 simulated atoms, and the slope of 0.22 per g of a simple estimate."""
    table = shipped_escapes()
    assert {(p.a_g, p.bias_g) for p in points()} == set(zip(table.a_g, table.bias_g, strict=True))
    curve = fit_curve(table)
    assert 0.3 < curve.deviance_per_dof < 1.9
    for a_g in (-1.0, 0.0, 1.0):
        assert curve.balance_g(a_g) == pytest.approx(a_g, abs=0.35)
        assert curve.slope_per_g(a_g, a_g) == pytest.approx(0.22, abs=0.06)
    bias = np.linspace(-3, 3, 61)
    assert (np.diff(curve.down(bias, 1.0)) < 0).all()


def test_shipped_landings_are_near_the_published_places() -> None:
    """Public simulated atoms: 0.86 of "down" and 0.83 of "up" in the regions, most of "down" at the
    step, "up" about -345 mm."""
    landings = shipped_landings()
    assert landings.share(-871, -671, "down") == pytest.approx(0.86, abs=0.15)
    assert landings.share(-415, -215, "up") == pytest.approx(0.83, abs=0.12)
    assert landings.share(-765, -740, "down") > 0.5
    assert landings.share(-360, -280, "up") > 0.5
    assert landings.share(-1000, -671, "up") == 0


# --- response ----------------------------------------------------------------------


def judged_sample(
    n: int = 40_000, efficiency: float = 0.8, bias_mm: float = 2.0, muons: int = 20_000
) -> Judged:
    """A made-up method: 4 mm of smear, some far off, and muons in a tenth of the length."""
    rng = generator(8)
    true = np.concatenate([rng.uniform(-1100, 1100, n), np.full(muons, np.nan)])
    z = true + bias_mm + rng.normal(0, 4, n + muons)
    z[n:] = rng.uniform(-1100, 1100, muons)
    seen = rng.random(n + muons) < np.where(np.isnan(true), 0.1, efficiency)
    z[~seen] = np.nan
    tracks, line = np.full(n + muons, 3.0), rng.exponential(10, n + muons)
    return Judged(true, z, np.full(n + muons, 22.0), tracks, np.full(n + muons, np.nan), line)


@pytest.fixture(scope="module")
def response() -> Response:
    return measure(judged_sample(), "made up", Selection())


def test_response_of_a_method_of_known_quality(response: Response) -> None:
    pulls = (response.efficiency - 0.8 * 0.95) / response.efficiency_error
    assert np.abs(pulls).max() < 4.5
    assert np.abs((response.bias_mm - 2.0) / response.bias_error_mm).max() < 5
    assert np.std(response.residuals_mm) == pytest.approx(4.0, rel=0.02)
    expected = cosmic_rate_hz() * 0.1 * 0.95 * 200 / 2200
    for name, rate in response.background_hz.items():
        assert abs(rate - expected) < 5 * response.background_error_hz[name]
    assert (response.by, response.muons) == ("line", 20_000)


def test_a_probability_of_its_own_is_preferred() -> None:
    judged = judged_sample()
    rng = generator(9)
    own = np.where(judged.cosmic, 0.98, rng.random(len(judged)))
    found = measure(replace(judged, p_cosmic=own), "made up", Selection())
    assert found.by == "p_cosmic" and found.cut == pytest.approx(0.95, abs=0.01)
    assert sum(found.background_hz.values()) == 0


def test_thin_samples_are_refused() -> None:
    with pytest.raises(MissingDataError, match="no cosmic muons"):
        measure(judged_sample(muons=0), "m", Selection())
    with pytest.raises(MissingDataError, match=r"only .* annihilations"):
        measure(judged_sample(n=500), "m", Selection())
    with pytest.raises(MissingDataError, match="finds none"):
        measure(judged_sample(efficiency=0.0), "m", Selection())
    with pytest.raises(InputError, match="give a radius"):
        Selection(kept=0.0)


def flat_response(sigma_mm: float = 4.0, background_hz: float = 0.0) -> Response:
    z = np.arange(-975.0, -100, 50)
    one, none = np.full(z.size, 0.7), np.zeros(z.size)
    residuals = np.sort(generator(10).normal(0, sigma_mm, 20_000))
    rates = {"down": background_hz, "up": background_hz}
    return Response(
        "flat", z, one, none, none, none, residuals, rates, dict(rates), "line", 0.0, 9, 9
    )  # fmt: skip


def test_acceptance_is_share_times_efficiency() -> None:
    landings = shipped_landings()
    counted = acceptance(flat_response(0.01), landings)
    shares = [landings.share(*region, side) for region, side in REGION_SIDES]
    assert counted[[0, 1], [0, 1]] == pytest.approx(0.7 * np.array(shares), abs=0.005)
    assert counted[[0, 1], [1, 0]] == pytest.approx(0, abs=0.002)


REGION_SIDES = (((-871, -671), "down"), ((-415, -215), "up"))


def test_shift_and_scale_move_the_edges() -> None:
    box = Landings(np.array([-800.0, -640.0, -300.0, -100.0]), [160, 0, 0], [0, 0, 200])
    fine = Landings(np.arange(-800.0, -99, 1.0), *(np.zeros((2, 700))))
    down, up = np.zeros(700), np.zeros(700)
    down[:160], up[500:] = 1.0, 1.0
    fine = Landings(np.arange(-800.0, -99, 1.0), down, up)
    assert box.share(-720, -640, "down") == 0.5
    here = acceptance(flat_response(), fine)[0, 0]
    moved = acceptance(flat_response(), fine, shift_mm=2.0)[0, 0]
    assert here - moved == pytest.approx(0.7 * 2 / 160, rel=0.05)
    grown = acceptance(flat_response(), fine, scale=1 + 2 / 671)[0, 0]
    assert grown - here == pytest.approx(0.7 * 2 / 160, rel=0.05)


def test_muon_is_a_line_and_two_pions_are_not() -> None:
    rng = generator(11)
    t = np.concatenate([np.linspace(-180, -110, 60), np.linspace(110, 180, 60)])
    bent = np.stack([t, 3 * (t / 180) ** 2, 0.8 * t], axis=1) + rng.normal(0, 1, (120, 3))
    assert pair_residual_mm2(bent) == pytest.approx(2.0, rel=0.25)
    kink = 0.1 * np.abs(t)
    kinked = bent + np.array([0, 0, 1.0]) * kink[:, None]
    upright = 1 / np.sqrt(1 + 0.8**2)  # cosine of the line's slope: the kink across it
    assert pair_residual_mm2(kinked) == pytest.approx(2.0 + np.var(kink * upright), rel=0.2)


def test_answers_are_kept_and_made_again_for_other_events(tmp_path: Path) -> None:
    file, kept = tmp_path / "events.parquet", tmp_path / "answers.npz"
    recipe = find_recipe("wall")
    mixed = replace(recipe, sample=replace(recipe.sample, cosmic_share=0.3))
    write_parquet(file, simulate_batches(mixed, 40, generator(12)), {})
    made = judge([file], "helix-hough", kept, "hash")
    assert len(made) == 40 and 0 < made.cosmic.sum() < 40
    near = np.abs(made.z_mm - made.true_z_mm)[~made.cosmic]
    assert np.nanmedian(near) < 20
    again = judge(["nowhere"], "helix-hough", kept, "hash")
    assert again.z_mm == pytest.approx(made.z_mm, nan_ok=True)
    with pytest.raises(Exception, match="nowhere"):
        judge(["nowhere"], "helix-hough", kept, "other")


# --- likelihood --------------------------------------------------------------------

ONE_BIAS = Campaign(biases_g=(0.0,), atoms_per_bias=1e6)


def simple_model(slope_per_g: float = 0.22, background: float = 0.0) -> Model:
    """A curve of given slope at balance, every atom counted on its own side."""
    curve = EscapeCurve(np.array([0, 4 * slope_per_g, 0, 0, 0]), np.zeros((5, 5)))
    counted = np.broadcast_to(np.eye(2), (5, 5, 2, 2))
    return Model(curve, np.array(counted), np.full(2, background))


def test_two_counts_at_balance() -> None:
    """By hand, 0.5 / (slope sqrt(N)) and d / (4 slope): with a slope of 0.22 per g, 2.3 / sqrt(N) g
    and 1.1 d g for a relative efficiency error d; b background events on either side multiply the
    variance by 1 + 2 b / N."""
    model, n = simple_model(), ONE_BIAS.atoms
    counts = asimov(model, ONE_BIAS, 0.0)
    alone = fit(model, counts, Priors().only()).error_g
    assert alone * np.sqrt(n) == pytest.approx(2.3, rel=0.03)
    both = fit(model, counts, Priors(efficiency=0.05).only("efficiency")).error_g
    assert np.sqrt(both**2 - alone**2) == pytest.approx(1.1 * 0.05, rel=0.05)
    noisy = simple_model(background=0.1 * n)
    found = fit(noisy, asimov(noisy, ONE_BIAS, 0.0), Priors().only()).error_g
    assert (found / alone) ** 2 == pytest.approx(1.2, rel=0.02)


def test_numbers_of_atoms_are_the_best() -> None:
    rng = generator(13)
    observed, signal = rng.poisson(50, (40, 2)).astype(float), rng.uniform(0.1, 0.8, (40, 2))
    noise = np.array([6.0, 3.0])
    best = _best_atoms(observed, signal, noise)

    def log_likelihood(atoms: FloatArray) -> FloatArray:
        mean = atoms[:, None] * signal + noise
        return (observed * np.log(mean) - mean).sum(axis=1)

    for factor in (0.999, 1.001):
        assert (log_likelihood(best) >= log_likelihood(factor * best)).all()


def test_fit_returns_the_truth_of_mean_counts(response: Response) -> None:
    setting = Setting(
        response, shipped_landings(), fit_curve(shipped_escapes()), Campaign(), Priors()
    )
    model = setting.model()
    for a_g in (-1.0, 0.0, 0.75, 1.0):
        found = fit(model, asimov(model, Campaign(), a_g), Priors(), start_g=0.3)
        assert found.a_g == pytest.approx(a_g, abs=2e-3)
        assert set(found.nuisances) == set(NUISANCES)


def test_measured_nuisances_move_the_fit() -> None:
    model = simple_model()
    counts = asimov(model, ONE_BIAS, 0.0)
    centre = np.zeros(len(NUISANCES))
    centre[0] = 0.1
    found = fit(model, counts, Priors().only(), centre)
    assert found.a_g == pytest.approx(-0.1 / 4 / 0.22, rel=0.03)


def test_counts_that_no_gravity_explains_are_refused() -> None:
    counts = Counts(np.array([0.0]), np.array([1e5]), np.array([0.0]))
    with pytest.raises(InputError, match="does not converge"):
        fit(simple_model(), counts, Priors().only())
    with pytest.raises(InputError, match="none below 0"):
        Counts(np.array([0.0]), np.array([-1.0]), np.array([0.0]))
    with pytest.raises(InputError, match="standard deviations"):
        Priors(z_scale=-1.0)
    with pytest.raises(InputError, match="give biases"):
        Campaign(biases_g=())


def test_toys_are_poisson() -> None:
    model = simple_model(background=5.0)
    campaign = Campaign(atoms_per_bias=100.0)
    drawn = [toy(model, campaign, 0.0, generator(k)).down for k in range(300)]
    expected = asimov(model, campaign, 0.0).down
    assert np.mean(drawn, axis=0) == pytest.approx(expected, abs=4 * np.sqrt(105 / 300))


@pytest.mark.parametrize("background_hz", [0.0, 0.2])
def test_fit_is_unbiased_with_right_coverage(background_hz: float) -> None:
    """100 toy campaigns, all nuisances free: mean, width and coverage within three errors."""
    curve = fit_curve(shipped_escapes())
    setting = Setting(
        flat_response(background_hz=background_hz), shipped_landings(), curve, Campaign(), Priors()
    )
    found = closure(setting, 100, generator(14))
    assert abs(found.mean.value) < 3 / np.sqrt(100)
    assert abs(found.width.value - 1) < 3 / np.sqrt(2 * 99)
    assert abs(found.covered.value - 0.683) < 3 * np.sqrt(0.683 * 0.317 / 100)


# --- budget ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def setting() -> Setting:
    curve = fit_curve(shipped_escapes())
    return Setting(
        flat_response(background_hz=0.1), shipped_landings(), curve, Campaign(), Priors()
    )


def test_budget_has_the_size_of_the_published_one(setting: Setting) -> None:
    found = budget_of(setting)
    assert found.statistical == pytest.approx(PUBLISHED_G["statistical"], rel=0.4)
    assert found.alone["efficiency"] == pytest.approx(PUBLISHED_G["efficiency"], rel=0.4)
    small = (found.alone[n] for n in NUISANCES if n != "efficiency")
    assert max(small) < 0.03
    assert found.total**2 == pytest.approx(found.detector**2 + 0.16**2 + 0.03**2)
    every = found.statistical**2 + sum(v**2 for v in found.alone.values())
    assert found.detector == pytest.approx(np.sqrt(every), rel=0.1)
    assert abs(found.uncorrected_g) == pytest.approx(
        abs(np.log(found.ratio)) / 4 / setting.curve.slope_per_g(1, 1), rel=0.4
    )


def test_relative_efficiency_is_known_as_the_calibration_counts(setting: Setting) -> None:
    dark = replace(setting, response=flat_response())
    few = replace(dark, campaign=replace(dark.campaign, calibration_atoms=300.0, monitor=0.0))
    many = replace(few, campaign=replace(few.campaign, calibration_atoms=30000.0))
    assert known(few).efficiency == pytest.approx(10 * known(many).efficiency, rel=1e-6)
    noisy = replace(few, response=flat_response(background_hz=0.1))
    assert known(noisy).efficiency > known(few).efficiency
    counted = acceptance(dark.response, dark.landings)
    share = expit(np.abs(np.log(1 / setting.curve.down(-10.0, 1.0) - 1)))
    expected = np.sqrt(2 / (300 * share * np.mean(np.diag(counted))))
    assert known(few).efficiency == pytest.approx(expected, rel=0.1)


def test_needs_of_one_percent(setting: Setting) -> None:
    dark = replace(setting, response=flat_response())
    found = needs(dark)
    tight = replace(
        dark.campaign,
        atoms_per_bias=found.atoms / 11,
        calibration_atoms=found.calibration_atoms,
        monitor=0.0,
    )
    made = budget_of(replace(dark, campaign=tight, priors=Priors(z_shift_mm=0.0, z_scale=0.0)))
    assert made.statistical == pytest.approx(0.005, rel=0.02)
    assert made.alone["efficiency"] == pytest.approx(0.005, rel=0.15)
    assert found.efficiency < 0.006
    with pytest.raises(InputError, match="share"):
        needs(dark, 0.0)


# --- verb --------------------------------------------------------------------------


def test_verb_writes_the_budget_from_kept_answers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sample, out = tmp_path / "events.parquet", tmp_path / "report"
    write_parquet(sample, simulate_batches(find_recipe("wall"), 5, generator(15)), {})
    out.mkdir()
    judged = judged_sample()
    columns = {name: getattr(judged, name) for name in judged.__dataclass_fields__}
    from blackett.alphag.reconstruction import preset

    key = f"{settings_hash('helix-hough', preset('helix-hough', 'default'))} "
    key += f"sha256 {data_sha256(sample)}"
    np.savez(out / "answers-helix-hough.npz", key=np.array(key), **columns)
    words = ["alphag", "gravity", "--sample", str(sample), "--out", str(out)]
    assert main([*words, "--methods", "helix-hough", "--toys", "5"]) == 0
    assert "helix-hough     statistical 0." in capsys.readouterr().out
    data = json.loads((out / "report.json").read_text())
    found = data["budgets"]["helix-hough"]
    assert 0.03 < found["statistical"] < 0.1 and 0.05 < found["alone"]["efficiency"] < 0.2
    assert data["provenance"]["command"].startswith("blackett alphag gravity --sample events")
    assert len(data["improvements"]) == 5 and data["closure"]["helix-hough"]["n"] == 5
    page = (out / "report.html").read_text()
    assert page.count("<figure>") == 5 and "Left out" in page


def test_verb_refuses_wrong_methods(tmp_path: Path) -> None:
    words = ["alphag", "gravity", "--sample", "x", "--out", str(tmp_path), "--methods"]
    assert main([*words, "helix-none"]) == 2
    assert main([*words, "helix-hough", "helix-hough"]) == 2
