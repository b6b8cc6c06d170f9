"""The fast recording against the exact reference, `simulation.expected_counts`."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType  # noqa: TC003

import numpy as np
import pytest
from scipy.special import ndtr

from blackett.gamma import counting, mixtures, recording
from blackett.gamma.detector import detector
from blackett.gamma.devices import (
    CELL_STEP,
    CELLS,
    MOST_CHANNELS,
    _parabola,
    at_nodes,
    draw_devices,
    resolutions,
    tabulated,
)
from blackett.gamma.recording import Drawn, Recorded, Tables, record_drawn
from blackett.gamma.simulation import BINS, Unit, draw_unit, expected_counts

RC103 = detector("radiacode-103")
SHAPES = mixtures.SHAPES


@pytest.fixture(scope="module")
def rate() -> np.ndarray:
    """Counts per second by deposited energy: a steep continuum with peaks, in 1 cps."""
    bins = np.arange(BINS)
    made = np.exp(-bins / 150.0) * (bins > 60)
    for at, height in ((140, 30.0), (472, 25.0), (711, 8.0), (940, 2.0)):
        made[at] += height
    return made / made.sum()


def tables_of(rate: np.ndarray, units: list[Unit]) -> Tables:
    """One deposit row, the resolutions of these units."""
    widths = tabulated(
        units[0].detector,
        np.array([u.fwhm_662_percent for u in units]),
        np.zeros(len(units)),
    )
    whole = mixtures.detector_tables(units[0].detector.name)
    return whole._replace(
        deposits=at_nodes(rate[None]),
        **mixtures.peaks_at_nodes(np.array([0, 1]), np.array([472]), rate[472:473]),
        sigma_kev=widths.sigma_kev, first=widths.first, taps=widths.taps, start=widths.start,
        band=widths.band,
    )  # fmt: skip


def drawn_of(units: list[Unit], cps: float, time_s: float, seed: int, n: int) -> Drawn:
    """n recordings of one source by units in turn, without a room."""
    chosen = [units[i % len(units)] for i in range(n)]

    def column(name: str) -> np.ndarray:
        return np.array([getattr(u, name) for u in chosen], dtype=np.float64)

    power = column("light_power")
    return Drawn(
        state=mixtures._states(n, np.random.default_rng(seed)),
        group_first=np.arange(n + 1),
        group_around=np.zeros(n, bool),
        group_shape=np.zeros((n, SHAPES), np.float32),
        term_first=np.arange(n + 1),
        term_row=np.zeros(n, np.int64),
        term_rate=np.full(n, cps, np.float32),
        term_peaks=np.zeros(n, np.float32),
        room=np.zeros((n, mixtures.detector_tables(RC103.name).rooms.shape[0]), np.float32),
        room_shape=np.zeros((n, SHAPES), np.float32),
        recorded=np.zeros((n, 1), np.float32),
        level=np.arange(n) % len(units),
        channels=np.array([u.channels for u in chosen]),
        coefficients_kev=np.array([u.coefficients_kev for u in chosen]),
        threshold_kev=column("threshold_kev"),
        threshold_width_kev=column("threshold_width_kev"),
        gain=1.0 + column("gain_error"),
        offset_kev=column("offset_error_kev"),
        light_power=power,
        parabola=_parabola(chosen[0].detector, power),
        dead_time_s=column("dead_time_s"),
        resolving_time_s=column("resolving_time_s"),
        real_time_s=np.full(n, time_s),
        background_time_s=np.zeros(n),
        background_gain=np.ones(n),
        background_scale=np.ones(n),
        background_radon=np.ones(n),
    )


def recorded(tables: Tables, drawn: Drawn) -> Recorded:
    n = drawn.level.size
    out = Recorded(
        np.zeros((n, MOST_CHANNELS), np.int32), np.zeros(n),
        np.zeros((n, MOST_CHANNELS), np.int32), np.zeros(n), np.zeros(drawn.group_around.size),
    )  # fmt: skip
    record_drawn(np.arange(n), tables, drawn, out)
    return out


def deviance(seen: np.ndarray, expected: np.ndarray) -> tuple[float, int]:
    """Pearson's chi squared over neighbouring channels joined to 8 or more expected counts."""
    total, degrees, wanted, found = 0.0, 0, 0.0, 0.0
    for e, s in zip(expected, seen, strict=True):
        wanted, found = wanted + e, found + s
        if wanted >= 8.0:
            total += (found - wanted) ** 2 / wanted
            degrees, wanted, found = degrees + 1, 0.0, 0.0
    return total, degrees


def some_units(name: str, n: int, seed: int) -> list[Unit]:
    rng = np.random.default_rng(seed)
    return [draw_unit(detector(name), rng) for _ in range(n)]


@pytest.mark.parametrize("name", ["radiacode-103", "radiacode-101"])
@pytest.mark.parametrize(("counts", "n"), [(400.0, 1200), (6000.0, 120), (2e5, 6)])
def test_counts_follow_the_exact_expectation(
    rate: np.ndarray, name: str, counts: float, n: int
) -> None:
    units = some_units(name, 4, 3)
    cps = 5.0
    out = recorded(tables_of(rate, units), drawn_of(units, cps, counts / cps, 5, n))
    total, degrees = 0.0, 0
    for k, unit in enumerate(units):
        expected, live = expected_counts(cps * rate, unit, counts / cps)
        mine = out.counts[k :: len(units)]
        assert out.live_time_s[k] == pytest.approx(live, rel=1e-6)
        assert mine[:, unit.channels :].sum() == 0
        chi, channels = deviance(mine[:, : unit.channels].sum(axis=0), expected * len(mine))
        total, degrees = total + chi, degrees + channels
        assert mine.sum() == pytest.approx(
            expected.sum() * len(mine), abs=4.5 * np.sqrt(expected.sum() * len(mine)) + 2.0
        )
    assert degrees > 200
    assert abs(total - degrees) < 4.5 * np.sqrt(2 * degrees)


def test_few_and_many_counts_agree(rate: np.ndarray) -> None:
    units = some_units("radiacode-103", 1, 8)
    tables = tables_of(rate, units)
    few = recorded(tables, drawn_of(units, 5.0, 100.0, 11, 2000))
    many = recorded(tables, drawn_of(units, 5.0, 10_000.0, 12, 20))
    one, two = few.counts.sum(axis=0), many.counts.sum(axis=0)
    both = (one + two) > 20
    chi = ((one - two)[both] ** 2 / (one + two)[both]).sum()
    assert abs(one.sum() - two.sum()) < 4.5 * np.sqrt(one.sum() + two.sum())
    assert abs(chi - both.sum()) < 4.5 * np.sqrt(2 * both.sum())


def test_counts_are_poisson_where_they_are_rare(rate: np.ndarray) -> None:
    units = some_units("radiacode-103", 1, 9)
    for counts, n in ((60.0, 20_000), (1500.0, 4000)):
        out = recorded(tables_of(rate, units), drawn_of(units, 5.0, counts / 5.0, 13, n))
        expected, _ = expected_counts(5.0 * rate, units[0], counts / 5.0)
        rare = (expected > 0.02) & (expected < 0.08)
        assert rare.sum() > 20
        seen = out.counts[:, : expected.size][:, rare]
        mean = expected[rare].mean()
        # the truth for 0.05 counts a channel; a normal approximation is off by a factor of nine
        assert seen.mean() == pytest.approx(mean, abs=4.5 * np.sqrt(mean / seen.size))
        assert seen.var(axis=0).mean() == pytest.approx(
            mean, abs=4.5 * np.sqrt((mean + 2 * mean**2) / seen.size)
        )


def test_high_rates_have_dead_time_and_random_sums(rate: np.ndarray) -> None:
    unit = replace(some_units("radiacode-103", 1, 10)[0], resolving_time_s=3e-6, dead_time_s=1e-5)
    out = recorded(tables_of(rate, [unit]), drawn_of([unit], 20_000.0, 10.0, 14, 20))
    expected, live = expected_counts(20_000.0 * rate, unit, 10.0)
    alone, _ = expected_counts(20_000.0 * rate, replace(unit, resolving_time_s=0.0), 10.0)
    assert live < 9.0
    assert out.live_time_s[0] == pytest.approx(live, rel=1e-4)
    chi, degrees = deviance(out.counts.sum(axis=0), 20 * expected)
    assert abs(chi - degrees) < 6.0 * np.sqrt(2 * degrees)
    without, _ = deviance(out.counts.sum(axis=0), 20 * alone)
    assert without > 10 * chi


def test_peaks_alone_are_scaled(rate: np.ndarray) -> None:
    units = some_units("radiacode-103", 1, 15)
    tables = tables_of(rate, units)
    plain = drawn_of(units, 5.0, 2000.0, 16, 10)
    out = recorded(tables, plain)
    halved = recorded(tables, plain._replace(term_peaks=np.full(10, -0.5, np.float32)))
    lost = 0.5 * 5.0 * rate[472] * out.live_time_s
    assert out.net - halved.net == pytest.approx(lost, rel=2e-3)
    assert (lost / out.net).max() > 0.05


def test_errors_of_shape_bend_the_spectrum(rate: np.ndarray) -> None:
    units = some_units("radiacode-103", 1, 17)
    tables = tables_of(rate, units)
    shape = np.zeros((10, SHAPES), np.float32)
    shape[:, 0] = 0.1
    plain = drawn_of(units, 5.0, 20_000.0, 18, 10)
    out, bent = recorded(tables, plain), recorded(tables, plain._replace(group_shape=shape))
    low, high = slice(30, 60), slice(500, 900)
    factor = [bent.counts[:, s].sum() / out.counts[:, s].sum() for s in (low, high)]
    assert factor[0] > 1.03 > 0.97 > factor[1]


def test_background_is_the_room_alone(rate: np.ndarray) -> None:
    units = some_units("radiacode-103", 1, 19)
    drawn = drawn_of(units, 5.0, 500.0, 20, 40)
    room = drawn.room.copy()
    room[:, 13] = 50.0
    drawn = drawn._replace(room=room, background_time_s=np.full(40, 1000.0))
    out = recorded(tables_of(rate, units), drawn)
    room_alone = recorded(tables_of(rate, units), drawn._replace(term_rate=np.zeros(40, "f4")))
    back = out.background.sum() / out.background_live_time_s.sum()
    front = room_alone.counts.sum() / room_alone.live_time_s.sum()
    assert back == pytest.approx(front, rel=0.03)
    assert (out.counts.sum() / out.live_time_s.sum() - back) == pytest.approx(5.0, rel=0.1)


def test_recorded_shapes_are_not_folded_again(rate: np.ndarray) -> None:
    units = [replace(some_units("radiacode-103", 1, 21)[0], light_power=0.0, gain_error=0.0,
                     offset_error_kev=0.0)]  # fmt: skip
    cells = np.zeros((1, CELLS), np.float32)
    cells[0, 240] = 1.0
    tables = tables_of(rate, units)._replace(recorded=cells)
    for time_s, n in ((20.0, 40), (4000.0, 2)):
        drawn = drawn_of(units, 0.0, time_s, 22, n)._replace(recorded=np.full((n, 1), 9.0, "f4"))
        out = recorded(tables, drawn)
        edges = units[0].true_edges_kev()
        seen = out.counts.sum(axis=0)
        inside = (edges[1:] > 675.0) & (edges[:-1] < 691.0)
        assert seen[inside].sum() > 0.97 * seen.sum()
        assert seen.sum() == pytest.approx(9.0 * out.live_time_s.sum(), rel=0.05)


@pytest.mark.parametrize("module", [counting, recording])
def test_no_compiler_may_change_the_order_of_sums(module: ModuleType) -> None:
    """Else bytes would depend on whether a process compiled its code or found it in a cache."""
    compiled = [f.targetoptions for f in vars(module).values() if hasattr(f, "targetoptions")]
    assert len(compiled) > 5
    for options in compiled:
        assert set(options.get("fastmath", ())) <= {"nnan", "ninf", "nsz"}


def test_resolutions_span_the_units_seen() -> None:
    low, high = RC103.resolution.range_662_percent
    table = resolutions(RC103.name)
    inside = (table.fwhm_662_percent >= low) & (table.fwhm_662_percent <= high)
    assert 0.8 < inside.mean() < 0.9
    assert table.fwhm_662_percent.min() < 0.98 * low
    assert table.fwhm_662_percent.max() > 1.05 * high
    assert abs(np.corrcoef(table.fwhm_662_percent, table.tilt)[0, 1]) < 0.2
    # what starts at 300 keV ends in the cells, all of it
    kept = [table.matrix(level)[160].sum() for level in range(len(table.taps))]
    assert kept == pytest.approx(np.ones(len(kept)), abs=1e-5)


@pytest.mark.parametrize("bins", [(472,), (473,), (300, 471)])
def test_nodes_keep_sums_means_and_widths(bins: tuple[int, ...]) -> None:
    """Bins shared between nodes, then folded, are as wide as bins folded with the resolution."""
    table, level = resolutions(RC103.name), 40
    rate = np.zeros(BINS)
    rate[list(bins)] = 1.0
    nodes = at_nodes(rate)
    assert nodes.sum() == pytest.approx(len(bins))
    cells = np.zeros(CELLS)
    for j in np.flatnonzero(nodes):
        first = table.first[level, j]
        cells[first : first + table.taps[level]] += nodes[j] * table.matrix(level)[j]
    edges = (np.arange(CELLS + 1) * CELL_STEP) ** 2
    wanted = np.zeros(CELLS)
    for b in bins:
        fine = ((np.linspace(b, b + 1, 41)[:-1] + 1 / 80) * 0.5 * CELL_STEP) ** 2
        sigma = np.interp(fine, (np.arange(table.sigma_kev.shape[1]) * CELL_STEP) ** 2,
                          table.sigma_kev[level])  # fmt: skip
        wanted += np.diff(ndtr((edges[:, None] - fine) / sigma), axis=0).mean(axis=1)
    assert cells == pytest.approx(wanted, abs=2e-3 * wanted.max())


def test_devices_have_the_spreads_of_single_units() -> None:
    rng = np.random.default_rng(23)
    many = draw_devices(detector("radiacode-101"), 4000, rng)
    single = some_units("radiacode-101", 400, 24)
    assert set(np.unique(many.channels)) == {256, 1024}
    for name in ("gain_error", "offset_error_kev", "threshold_kev", "light_power"):
        ours, theirs = getattr(many, name), np.array([getattr(u, name) for u in single])
        assert ours.mean() == pytest.approx(theirs.mean(), abs=5 * theirs.std() / np.sqrt(400))
        assert ours.std() == pytest.approx(theirs.std(), rel=0.15)
    assert np.abs(many.gain_error).max() <= 0.04
    assert np.abs(many.offset_error_kev).max() <= 12.0
