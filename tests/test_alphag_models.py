"""Networks for the vertex: PEAR as published, the vertex layer, symmetries, export."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy.optimize import minimize

from blackett.alphag.cloud import cloud, innermost
from blackett.alphag.event import EventBatch, SpacePoints
from blackett.alphag.preparation.layout import (
    EVENT_COLUMNS,
    LINE_COLUMNS,
    LINES,
    MOST_KEPT,
    POINT_COLUMNS,
    TRACK_COLUMNS,
    Line,
)

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.xdist_group("learn")

from blackett.alphag.models.pear import Ensemble, Pear, Pear2023  # noqa: E402
from blackett.alphag.models.rungs import EdgeNetwork, SetNetwork  # noqa: E402
from blackett.alphag.models.slots import Shape, SlotNetwork, _moved  # noqa: E402
from blackett.alphag.models.vertex import distances, lower_triangle, mixed, solve  # noqa: E402

if TYPE_CHECKING:
    from pathlib import Path

INPUTS = ("tracks", "mask", "lines", "points", "slot", "event")


def parameters(network: torch.nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


# --- PEAR ------------------------------------------------------------------------


def test_pear_has_the_published_numbers_of_parameters() -> None:
    assert parameters(Pear()) == 3_459_394
    assert parameters(Pear(shift=False)) == 2_658_369
    assert parameters(Pear2023()) == 2_658_369


@pytest.mark.parametrize(
    ("block", "number"),
    [("shift", 801_025), ("first", 384), ("transform", 1_857_344), ("pooled", 142_720),
     ("head", 657_921)],
)  # fmt: skip
def test_pear_block_by_block(block: str, number: int) -> None:
    assert parameters(getattr(Pear(), block)) == number


@pytest.mark.parametrize(
    "network", [Pear(), Pear2023(), EdgeNetwork(16), SetNetwork(16)], ids=lambda n: type(n).__name__
)
def test_clouds_have_no_order(network: torch.nn.Module) -> None:
    torch.manual_seed(1)
    network.eval()
    points = 60 * torch.randn(3, 50, 3)
    turned = points[:, torch.randperm(50)]
    with torch.no_grad():
        torch.testing.assert_close(network(points), network(turned), rtol=1e-4, atol=1e-2)


def test_repeated_points_change_nothing_in_pear() -> None:
    network = Pear().eval()
    points = 60 * torch.randn(2, 40, 3)
    with torch.no_grad():
        torch.testing.assert_close(
            network(points),
            network(torch.cat([points, points[:, :7]], dim=1)),
            rtol=1e-4,
            atol=1e-3,
        )


def test_shift_is_taken_off_and_given_back() -> None:
    network = Pear().eval()
    points = 60 * torch.randn(2, 40, 3)
    with torch.no_grad():
        z = network.shift(points)
        moved = points - torch.stack([0 * z, 0 * z, z], dim=1)[:, None, :]
        torch.testing.assert_close(network(points), network._centred(moved) + z)


def test_ensemble_is_the_mean_of_its_members() -> None:
    network = Ensemble([Pear(), Pear()]).eval()
    points = 60 * torch.randn(2, 40, 3)
    with torch.no_grad():
        torch.testing.assert_close(network(points), network.each(points).mean(1))
        assert network.each(points).shape == (2, 2)


def test_first_and_last_layers_stay_exact_in_mixed_precision() -> None:
    layer = next(m for m in Pear().first if isinstance(m, torch.nn.Linear))
    x = torch.tensor([[100.0, 20.0, 1001.23]])
    with torch.no_grad():
        expected = layer(x)
        with torch.autocast("cpu", torch.bfloat16):
            torch.testing.assert_close(layer(x), expected)


def batch_of(counts: list[int], seed: int = 1) -> EventBatch:
    """Events with random points."""
    rng, rows = np.random.default_rng(seed), sum(counts)
    points = SpacePoints.empty(rows)
    columns = {name: getattr(points, name) for name in points.names()}
    columns |= {name: 60 * rng.normal(size=rows) for name in ("x_mm", "y_mm", "z_mm")}
    from blackett.alphag.event import BarHits

    offset = np.concatenate([[0], np.cumsum(counts)])
    n = len(counts)
    return EventBatch(
        np.arange(n), offset, SpacePoints(**columns), np.zeros(n + 1), BarHits.empty(), np.zeros(n)
    )


def test_cloud_is_the_innermost_points_in_turn() -> None:
    batch = batch_of([5, 0, 900, 800])
    found = cloud(batch)
    assert found.shape == (4, 800, 3)
    for k, event in enumerate(batch):
        if not len(event):
            assert not found[k].any()
            continue
        xyz = event.points.xyz_mm
        nearest = xyz[np.argsort(xyz[:, 0] ** 2 + xyz[:, 1] ** 2, kind="stable")][:800]
        np.testing.assert_array_equal(found[k], np.resize(nearest, (800, 3)))


def test_points_that_are_nowhere_are_left_out() -> None:
    batch = batch_of([6])
    x = batch.points.x_mm.copy()
    x[2] = np.nan
    columns = {name: getattr(batch.points, name) for name in batch.points.names()}
    broken = EventBatch(
        batch.number, batch.point_offset, SpacePoints(**columns | {"x_mm": x}), batch.bar_offset,
        batch.bars, batch.trigger,
    )  # fmt: skip
    points, offset = innermost(broken)
    assert offset.tolist() == [0, 5]
    assert np.isfinite(points).all()


# --- the vertex layer ------------------------------------------------------------


def random_lines(n: int, tracks: int, seed: int = 1, dtype: torch.dtype = torch.float64):
    """Lines (n, tracks, columns) near the axis with sound covariances."""
    rng = np.random.default_rng(seed)
    lines = np.zeros((n, tracks, len(LINE_COLUMNS)))
    psi = rng.uniform(0, 2 * np.pi, (n, tracks))
    lines[..., Line.x : Line.z + 1] = 8 * rng.normal(size=(n, tracks, 3))
    lines[..., Line.cosine], lines[..., Line.sine] = np.cos(psi), np.sin(psi)
    lines[..., Line.slope] = rng.normal(size=(n, tracks))
    lines[..., Line.curvature] = 1e-3 * rng.normal(size=(n, tracks))
    scale = np.array([3.0, 0.02, 3.0, 0.02])
    for first in (Line.cov_aa, Line.kink_aa):
        root = rng.normal(size=(n, tracks, 4, 4))
        full = np.einsum("ntij,ntkj->ntik", root, root) * np.outer(scale, scale)
        rows, columns = np.tril_indices(4)
        lines[..., first : first + 10] = full[..., rows, columns]
    return torch.tensor(lines, dtype=dtype)


def plain(lines: torch.Tensor, weight: torch.Tensor | None = None):
    """The lines as they are."""
    nought = torch.zeros_like(lines[..., 0])
    shift = [nought] * 4
    weight = torch.ones_like(nought) if weight is None else weight
    covariance = mixed(lines, nought, nought, nought)
    return _moved(lines, shift, covariance, weight)


def square(c: np.ndarray) -> np.ndarray:
    full = np.zeros((3, 3))
    full[np.tril_indices(3)] = c
    return full + np.tril(full, -1).T


def test_layer_finds_the_least_squares_vertex() -> None:
    lines = random_lines(4, 5)
    weight = torch.rand(4, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    ways = plain(lines, weight)
    prior_z, variance = torch.full((4,), 2.0, dtype=torch.float64), torch.full((4,), 400.0).double()
    v = torch.zeros(4, 3, dtype=torch.float64)
    for _ in range(12):
        found = solve(v, ways, prior_z, variance)
        v = found.vertex

    def chi2(at: np.ndarray, k: int) -> float:
        place = v.clone()
        place[k] = torch.tensor(at)
        frozen = distances(v, ways)  # covariances stand still at the answer
        d = distances(place, ways)
        total = 0.0
        for t in range(5):
            r = np.array([d.across[k, t], d.axial[k, t]])
            c = np.array(
                [[frozen.v11[k, t], frozen.v12[k, t]], [frozen.v12[k, t], frozen.v22[k, t]]]
            )
            total += float(weight[k, t]) * float(r @ np.linalg.solve(c, r))
        return total + (at[0] ** 2 + at[1] ** 2) / 144 + (at[2] - 2) ** 2 / 400

    for k in range(4):
        best = minimize(chi2, v[k].numpy() + 0.5, args=(k,), method="BFGS")
        np.testing.assert_allclose(v[k].numpy(), best.x, atol=2e-3)


def test_factor_is_that_of_the_inverse_information() -> None:
    ways = plain(random_lines(3, 4))
    v = torch.zeros(3, 3, dtype=torch.float64)
    found = solve(v, ways, v[:, 2], v[:, 2] + 1e4)
    d = distances(v, ways)
    for k in range(3):
        information = np.diag([1 / 144, 1 / 144, 1e-4])
        for t in range(4):
            rows = np.array([[d.ax[k, t], d.ay[k, t], 0], [d.bx[k, t], d.by[k, t], 1]])
            rows[1, 2] = 1.0
            c = np.array([[d.v11[k, t], d.v12[k, t]], [d.v12[k, t], d.v22[k, t]]])
            information += rows.T @ np.linalg.solve(c, rows)
        np.testing.assert_allclose(
            square(lower_triangle(found.factor)[k].numpy()), np.linalg.inv(information), rtol=1e-8
        )


def test_without_lines_the_prior_is_the_answer() -> None:
    lines = random_lines(2, 3)
    ways = plain(lines, torch.zeros(2, 3, dtype=torch.float64))
    z = torch.tensor([5.0, -7.0], dtype=torch.float64)
    found = solve(torch.zeros(2, 3, dtype=torch.float64), ways, z, 0 * z + 900)
    np.testing.assert_allclose(found.vertex[:, 2], z, atol=1e-9)
    np.testing.assert_allclose(
        lower_triangle(found.factor)[0].numpy(), [144, 0, 144, 0, 0, 900], atol=1e-9
    )


def test_a_line_without_curvature_is_straight() -> None:
    lines = random_lines(1, 1)
    x, y, c, s = (float(lines[0, 0, i]) for i in (Line.x, Line.y, Line.cosine, Line.sine))
    for curvature in (0.0, 0.004):
        lines[..., Line.curvature] = curvature
        on = torch.tensor([[x + 60 * c - 1800 * curvature * s, y + 60 * s + 1800 * curvature * c,
                            0.0]], dtype=torch.float64)  # fmt: skip
        assert abs(float(distances(on, plain(lines)).across)) < 0.05


def test_gradients_pass_through_the_layer() -> None:
    lines = random_lines(2, 3).requires_grad_(True)
    logit = torch.zeros(2, 3, dtype=torch.float64, requires_grad=True)

    def through(given: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        v = torch.zeros(2, 3, dtype=torch.float64)
        z = v[:, 2] + 1.0
        first = solve(v, plain(given, torch.sigmoid(w)), z, 900 * z)
        second = solve(first.vertex, plain(given, torch.sigmoid(w)), z, 900 * z)
        return torch.cat([second.vertex, second.factor], dim=1)

    assert torch.autograd.gradcheck(through, (lines, logit), atol=1e-4, rtol=1e-3)


# --- our network -----------------------------------------------------------------


def random_inputs(n: int = 6, tracks: int = MOST_KEPT, seed: int = 1) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    mask = (torch.rand(n, tracks, generator=generator) < 0.4).float()
    mask[0] = 0
    rows = 40 * n
    return {
        "tracks": torch.randn(n, tracks, len(TRACK_COLUMNS), generator=generator),
        "mask": mask,
        "lines": torch.stack(
            [random_lines(n, tracks, seed + k, torch.float32) for k in range(LINES)], dim=2
        )
        * mask[..., None, None],
        "points": torch.randn(rows, len(POINT_COLUMNS), generator=generator),
        "slot": torch.randint(0, n * (tracks + 1), (rows,), generator=generator),
        "event": torch.randn(n, len(EVENT_COLUMNS), generator=generator),
    }


@pytest.fixture(scope="module")
def network() -> SlotNetwork:
    return made_network(Shape(width=32, blocks=2, points=16))


def made_network(shape: Shape) -> SlotNetwork:
    """With weights that are not those of the beginning."""
    torch.manual_seed(1)
    made = SlotNetwork(shape)
    made.learn_scales(*(random_inputs(50)[n] for n in ("tracks", "mask", "points", "event")))
    with torch.no_grad():
        for weights in made.parameters():
            weights.add_(0.03 * torch.randn_like(weights))
    return made.eval()


def answers(network: torch.nn.Module, inputs: dict[str, torch.Tensor]) -> list[np.ndarray]:
    with torch.no_grad():
        return [part.numpy() for part in network(*(inputs[name] for name in INPUTS))]


def test_a_turn_of_the_event_turns_the_answer(network: SlotNetwork) -> None:
    inputs = random_inputs()
    c, s = np.cos(0.7), np.sin(0.7)
    turned = inputs | {"lines": inputs["lines"].clone()}
    for i, j in ((Line.x, Line.y), (Line.cosine, Line.sine)):
        a, b = inputs["lines"][..., i], inputs["lines"][..., j]
        turned["lines"][..., i], turned["lines"][..., j] = c * a - s * b, s * a + c * b
    (v, cov, muon), (v2, cov2, muon2) = answers(network, inputs), answers(network, turned)
    turn = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
    np.testing.assert_allclose(v2, v @ turn.T, atol=2e-3)
    np.testing.assert_allclose(muon2, muon, atol=1e-4)
    for k in range(len(v)):
        expected = turn @ square(cov[k]) @ turn.T
        np.testing.assert_allclose(square(cov2[k]), expected, rtol=1e-3, atol=1e-2)


def test_slots_that_are_empty_say_nothing(network: SlotNetwork) -> None:
    inputs = random_inputs()
    changed = {name: values.clone() for name, values in inputs.items()}
    hidden = inputs["mask"] == 0
    changed["tracks"][hidden] = 5.0
    for before, after in zip(answers(network, inputs), answers(network, changed), strict=True):
        np.testing.assert_array_equal(before, after)


def test_events_do_not_touch_each_other(network: SlotNetwork) -> None:
    inputs = random_inputs()
    slots = MOST_KEPT + 1
    own = inputs["slot"] // slots == 2
    alone = {name: inputs[name][2:3] for name in ("tracks", "mask", "lines", "event")}
    alone |= {"points": inputs["points"][own], "slot": inputs["slot"][own] - 2 * slots}
    for whole, part in zip(answers(network, inputs), answers(network, alone), strict=True):
        np.testing.assert_allclose(whole[2:3], part, rtol=1e-4, atol=1e-3)


def test_every_event_is_answered_with_a_sound_covariance(network: SlotNetwork) -> None:
    inputs = random_inputs(40)
    inputs["lines"][3, ..., Line.cov_aa : Line.cov_ll + 1] *= 1e6
    inputs["lines"][4, ..., Line.slope] = 80.0
    inputs["lines"][5, ..., Line.kink_aa :] = 0.0
    v, covariance, muon = answers(network, inputs)
    assert np.isfinite(v).all()
    assert np.isfinite(muon).all()
    assert (np.linalg.eigvalsh([square(c) for c in covariance]) > 0).all()


def test_training_reaches_every_weight(network: SlotNetwork) -> None:
    torch.manual_seed(2)
    fresh = SlotNetwork(Shape(width=16, blocks=2, points=8))
    inputs = random_inputs(30)
    found = fresh.answer(*(inputs[name] for name in INPUTS))
    total = found.vertex.sum() + found.factor.sum() + found.cosmic.sum()
    (total + found.log_share[:, 0].sum() + found.log_scale.sum()).backward()
    silent = [
        n for n, p in fresh.named_parameters() if p.grad is None or not p.grad.isfinite().all()
    ]
    assert silent == []


def test_exported_network_answers_alike_for_any_numbers(tmp_path: Path) -> None:
    from blackett.learn import Model, save_onnx, write_card

    inputs = random_inputs()
    network = made_network(Shape(width=16, blocks=1, points=8))
    onnx = save_onnx(
        network, [inputs[name] for name in INPUTS], INPUTS, ["position", "covariance", "cosmic"],
        tmp_path / "v.onnx", [("events", "tracks")] * 3 + [("points",)] * 2 + [("events",)],
    )  # fmt: skip
    model = Model.load(onnx, write_card(tmp_path / "v.json", onnx, {}))
    for n, tracks in ((6, MOST_KEPT), (1, 3), (20, 1)):
        given = random_inputs(n, tracks, seed=n)
        found = model.run(*(given[name].numpy() for name in INPUTS))
        for ours, theirs in zip(answers(network, given), found.values(), strict=True):
            np.testing.assert_allclose(theirs, ours, rtol=2e-3, atol=2e-2)
    none = random_inputs(2) | {"points": torch.zeros(0, len(POINT_COLUMNS))}
    none["slot"] = none["slot"][:0]
    assert np.isfinite(model.run(*(none[name].numpy() for name in INPUTS))["position"]).all()
