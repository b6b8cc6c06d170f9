"""Our network: a vertex fit that learns how far to trust each track.

Every track has a slot with its features, its points and its nominal line; what no track uses has
one more. Attention between the slots, told how the lines lie to each other, decides for the lines
of each track (a charged particle's, and those of a photon that converted in one of three groups of
layers) the weight, the scale of fit errors and of scattering, and small shifts; a weighted least
squares layer (`vertex`) makes the vertex; the pulls go back to the slots, and again. The last slots
give a correction along z in units of the layer's own error, the covariance around it, and the logit
of a cosmic muon. A turn of the event about z turns the answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from blackett.alphag.models.vertex import (
    Lines,
    Solved,
    distances,
    lower_triangle,
    mixed,
    solve,
)
from blackett.alphag.preparation.layout import (
    EVENT_COLUMNS,
    LINES,
    POINT_COLUMNS,
    TRACK_COLUMNS,
    Line,
)
from blackett.errors import MissingExtraError

try:
    import torch
    from torch import Tensor, nn
except ImportError as error:
    raise MissingExtraError("torch", "train", "building a network") from error

__all__ = ["COMPONENTS", "Answer", "Shape", "SlotNetwork"]

COMPONENTS = 3
"""Normal densities about one mean that make an answer: narrow, wide, wider."""
_KNOBS = 9  # of a line, see `_lines`
_PULLS = 5
_PAIRS = 8
_FAR = 8.0  # features beyond so many standard deviations count as this
_RARE = 3.0  # logit by which photons' lines begin with less weight


@dataclass(frozen=True)
class Shape:
    """Size of a `SlotNetwork`."""

    width: int = 80
    blocks: int = 3
    heads: int = 4
    points: int = 32
    """Width of the layers on points; 0 leaves the points out."""
    learned_lines: bool = True
    """False: the nominal lines with learned weights alone, for comparison."""


class Answer(NamedTuple):
    """What is said of n events; mm, relative to the anchor."""

    steps: tuple[Tensor, ...]
    """Vertices (n, 3) of the layer, one after the other."""
    vertex: Tensor
    """The answer, (n, 3)."""
    factor: Tensor
    """Cholesky factor (n, 6) of the narrow component's covariance, in the order z, x, y."""
    log_share: Tensor
    """Logarithms of the shares of the components, (n, COMPONENTS)."""
    log_scale: Tensor
    """Logarithms of their widths over the narrow one's, (n, COMPONENTS), rising from 0."""
    cosmic: Tensor
    """Logit of a cosmic muon, (n,)."""


class Standard(nn.Module):
    """Features less their mean over their standard deviation, cut at `_FAR`."""

    def __init__(self, columns: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(columns))
        self.register_buffer("width", torch.ones(columns))

    def learn(self, rows: Tensor) -> None:
        """Take mean and width from rows (k, columns)."""
        self.mean, self.width = rows.mean(0), rows.std(0).clamp_min(0.05)

    def forward(self, x: Tensor) -> Tensor:
        return ((x - self.mean) / self.width).clamp(-_FAR, _FAR)


class Pool(nn.Module):
    """Mean over the points of each slot: rows (k, columns), slot (k,) -> (slots, width + 1)."""

    def __init__(self, columns: int, width: int) -> None:
        super().__init__()
        self.standard = Standard(columns)
        self.layers = nn.Sequential(
            nn.Linear(columns, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU()
        )
        self.width = width

    def forward(self, points: Tensor, slot: Tensor, slots: int) -> Tensor:
        each = self.layers(self.standard(points))
        each = torch.cat([each, torch.ones_like(each[:, :1])], dim=1)
        total = each.new_zeros(slots, self.width + 1).index_add(0, slot, each)
        number = total[:, self.width :]
        return torch.cat([total[:, : self.width] / (number + 1), torch.log1p(number)], dim=1)


class Block(nn.Module):
    """Attention between the slots of an event with a bias for each pair, then a perceptron."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
        self.read, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.think = nn.Sequential(
            nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:  # x (n, slots, width)
        n, slots, width = x.shape
        q, k, v = self.read(self.before(x)).reshape(n, slots, 3, self.heads, -1).unbind(2)
        score = torch.einsum("nihc,njhc->nhij", q, k) / (width // self.heads) ** 0.5
        share = torch.softmax(score + bias, dim=3)
        x = x + self.out(torch.einsum("nhij,njhc->nihc", share, v).reshape(n, slots, width))
        thought: Tensor = x + self.think(self.between(x))
        return thought


class Pairs(nn.Module):
    """How two lines lie to each other -> a bias of attention (n, heads, slots, slots)."""

    def __init__(self, heads: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(_PAIRS, 16), nn.ReLU(), nn.Linear(16, heads))

    def forward(self, lines: Tensor, mask: Tensor) -> Tensor:
        n, tracks, _ = lines.shape
        near: Tensor = self.layers(_pairs(lines)).permute(0, 3, 1, 2)
        # the slot of what no track uses is last
        full = nn.functional.pad(near, (0, 1, 0, 1))
        seen = torch.cat([mask, torch.ones_like(mask[:, :1])], dim=1)
        hidden = (1 - seen)[:, None, None, :] * 1e4
        return full.reshape(n, -1, tracks + 1, tracks + 1) - hidden


def _pairs(lines: Tensor) -> Tensor:
    """Of each two lines: heights on the axis and where they cross, angles, slopes, curvatures."""
    x, y, z, c, s, slope, curve = (lines[..., i] for i in range(Line.curvature + 1))

    def two(values: Tensor) -> tuple[Tensor, Tensor]:
        return values[:, :, None], values[:, None, :]

    (x1, x2), (y1, y2), (c1, c2), (s1, s2) = two(x), two(y), two(c), two(s)
    cross, dot = c1 * s2 - s1 * c2, c1 * c2 + s1 * s2
    safe = torch.where(cross < 0, -1.0, 1.0) * cross.abs().clamp_min(0.02)
    dx, dy = x2 - x1, y2 - y1
    first = ((dx * s2 - dy * c2) / safe).clamp(-300, 300)  # arcs to the crossing
    second = ((dx * s1 - dy * c1) / safe).clamp(-300, 300)
    (z1, z2), (l1, l2), (k1, k2) = two(z), two(slope), two(curve)
    meet = z2 + l2 * second - z1 - l1 * first
    parts = (
        torch.asinh((z2 - z1) / 5), torch.asinh(meet / 5), dot, cross, torch.asinh(l2 - l1),
        first / 50, second / 50, (k2 - k1) * 300,
    )  # fmt: skip
    return torch.stack(parts, dim=3).clamp(-_FAR, _FAR)


class SlotNetwork(nn.Module):
    """Arrays of `blackett.alphag.preparation` -> position, covariance and cosmic logit.

    `forward` takes tracks (n, T, F), mask (n, T), lines (n, T, LINES, L), points (rows, C),
    slot (rows,) and event (n, E) and gives position (n, 3) in mm relative to the anchor, covariance
    (n, 6) in mm2, lower triangle by rows, and the logit (n,). `answer` gives all that a loss needs.
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape, width = shape, shape.width
        self.track_scale, self.event_scale = (
            Standard(len(TRACK_COLUMNS)),
            Standard(len(EVENT_COLUMNS)),
        )
        self.track_in, self.event_in = (
            nn.Linear(len(TRACK_COLUMNS), width),
            nn.Linear(len(EVENT_COLUMNS), width),
        )
        self.pool = Pool(len(POINT_COLUMNS), shape.points) if shape.points else None
        self.pooled_in = nn.Linear(shape.points + 1, width) if shape.points else None
        self.pairs = Pairs(shape.heads)
        self.blocks = nn.ModuleList(Block(width, shape.heads) for _ in range(shape.blocks))
        self.knobs = nn.ModuleList(_quiet(width, LINES * _KNOBS) for _ in range(shape.blocks))
        self.priors = nn.ModuleList(_quiet(width, 2) for _ in range(shape.blocks))
        self.pulls_in = nn.ModuleList(nn.Linear(LINES * _PULLS, width) for _ in range(shape.blocks))
        self.solved_in = nn.ModuleList(nn.Linear(3, width) for _ in range(shape.blocks))
        self.last = Block(width, shape.heads)
        self.head = nn.Sequential(nn.LayerNorm(2 * width), nn.Linear(2 * width, width), nn.GELU())
        self.end = _quiet(width, 9)

    def learn_scales(self, tracks: Tensor, mask: Tensor, points: Tensor, event: Tensor) -> None:
        """Take the scales of all features from some events."""
        self.track_scale.learn(tracks[mask > 0])
        self.event_scale.learn(event)
        if self.pool is not None:
            self.pool.standard.learn(points)

    def forward(
        self, tracks: Tensor, mask: Tensor, lines: Tensor, points: Tensor, slot: Tensor,
        event: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
        """Position, covariance and logit, see the class."""
        found = self.answer(tracks, mask, lines, points, slot, event)
        # the widths' mean logarithm: shares of rare wide components do not swell every event's
        scale = torch.exp((torch.exp(found.log_share) * found.log_scale).sum(1, keepdim=True))
        return found.vertex, lower_triangle(found.factor * scale), found.cosmic

    def answer(
        self, tracks: Tensor, mask: Tensor, lines: Tensor, points: Tensor, slot: Tensor,
        event: Tensor,
    ) -> Answer:  # fmt: skip
        """Everything that is said of the events."""
        x = self._slots(tracks, mask, points, slot, event)
        bias = self.pairs(lines[:, :, 0], mask)
        v = torch.zeros_like(lines[:, 0, 0, :3])
        steps: list[Tensor] = []
        weight = mask
        for k, block in enumerate(self.blocks):
            x = block(x, bias)
            ways = self._lines(self.knobs[k](x[:, :-1]), lines, mask)
            prior = self.priors[k](x[:, -1])
            found = solve(v, ways, 100 * prior[:, 0], torch.exp(11 + 4 * torch.tanh(prior[:, 1])))
            v = found.vertex
            steps.append(v)
            weight = ways.weight.reshape(mask.shape[0], LINES, mask.shape[1]).sum(1)
            x = x + self._told(k, v, found, ways, mask)
        x = self.last(x, bias)
        mean = (weight[..., None] * x[:, :-1]).sum(1) / (weight.sum(1)[:, None] + 0.1)
        return self._answer(self.end(self.head(torch.cat([x[:, -1], mean], dim=1))), steps, found)

    def _slots(
        self, tracks: Tensor, mask: Tensor, points: Tensor, slot: Tensor, event: Tensor
    ) -> Tensor:
        n, number = mask.shape
        each = self.track_in(self.track_scale(tracks)) * mask[..., None]
        whole = self.event_in(self.event_scale(event))[:, None, :]
        x = torch.cat([each, whole], dim=1)  # (n, T + 1, width)
        if self.pool is not None and self.pooled_in is not None:
            pooled = self.pool(points, slot, n * (number + 1))
            x = x + self.pooled_in(pooled).reshape(n, number + 1, -1)
        return x

    def _lines(self, knobs: Tensor, lines: Tensor, mask: Tensor) -> Lines:
        """The lines of each track, as the knobs (n, T, LINES x 9) have them: (n, LINES x T)."""
        knobs = torch.cat(knobs.chunk(LINES, dim=2), dim=1)
        lines = torch.cat(lines.unbind(2), dim=1)
        present = torch.cat([mask] * LINES, dim=1)
        none, one = torch.zeros_like(mask), torch.ones_like(mask)
        photon = torch.cat([none] + [one] * (LINES - 1), dim=1)
        logit, fit, scatter, mode, known, a, p, z, slope = knobs.unbind(2)
        learned = 1.0 if self.shape.learned_lines else 0.0
        fit, scatter = learned * 4 * torch.tanh(fit / 4), learned * 4 * torch.tanh(scatter / 4)
        # what the slot knows of the momentum need not be left open along the mode of curvature
        known = learned * 0.95 * torch.sigmoid(known - 3)
        covariance = mixed(lines, fit, scatter, known) + (1 - present)[..., None]
        move = learned * 3 * torch.tanh(mode / 3)
        shift = [
            move * lines[..., Line.mode_a + i]
            + learned * torch.tanh(knob) * torch.sqrt(covariance[..., d] + 1e-6)
            for i, (knob, d) in enumerate(((a, 0), (p, 2), (z, 5), (slope, 9)))
        ]
        weight = present * torch.sigmoid(logit - _RARE * photon)
        return _moved(lines, shift, covariance, weight)

    def _told(self, k: int, v: Tensor, found: Solved, ways: Lines, mask: Tensor) -> Tensor:
        """What the slots are told about the vertex, (n, T + 1, width)."""
        d = distances(v, ways)
        pulls = torch.stack(
            [
                torch.asinh(d.across * torch.rsqrt(d.v11)),
                torch.asinh(d.axial * torch.rsqrt(d.v22)),
                0.5 * torch.log(d.v22 + 0.01),
                torch.asinh(d.axial / 10),
                ways.weight,
            ],
            dim=2,
        )  # (n, LINES x T, pulls)
        n, tracks = mask.shape
        pulls = pulls.reshape(n, LINES, tracks, _PULLS).transpose(1, 2)
        pulls = pulls.reshape(n, tracks, LINES * _PULLS).clamp(-_FAR, _FAR)
        each = self.pulls_in[k](pulls) * mask[..., None]
        whole = torch.stack(
            [torch.asinh(v[:, 2] / 25), torch.log(found.factor[:, 0]), ways.weight.sum(1)], dim=1
        )
        return torch.cat([each, self.solved_in[k](whole)[:, None, :]], dim=1)

    def _answer(self, end: Tensor, steps: list[Tensor], found: Solved) -> Answer:
        f = found.factor
        along, log_z, log_across, cosmic = end[:, 0:1], end[:, 1], end[:, 2], end[:, 3]
        vertex = found.vertex + along * f[:, [1, 3, 0]]
        grow_z, grow_across = torch.exp(log_z)[:, None], torch.exp(log_across)[:, None]
        # columns of the factor: z (places 0, 1, 3), then x and y alike
        grow = torch.cat([grow_z, grow_z, grow_across, grow_z, grow_across, grow_across], dim=1)
        wider = torch.cumsum(nn.functional.softplus(end[:, 4:6] + 0.5), dim=1)
        log_scale = torch.cat([torch.zeros_like(end[:, :1]), wider], dim=1)
        offset = end.new_tensor([1.5, 0.0, -1.5])
        log_share = torch.log_softmax(end[:, 6:9] + offset, dim=1)
        return Answer(tuple(steps), vertex, f * grow, log_share, log_scale, cosmic)


def _quiet(width: int, out: int) -> nn.Linear:
    """A linear layer that begins near 0: the first answer is that of the nominal lines."""
    layer = nn.Linear(width, out)
    nn.init.normal_(layer.weight, std=0.02)
    nn.init.zeros_(layer.bias)
    return layer


def _moved(lines: Tensor, shift: list[Tensor], covariance: Tensor, weight: Tensor) -> Lines:
    """Lines shifted across the heading, in psi, z and lambda."""
    a, p, z, slope = shift
    cosine, sine = lines[..., Line.cosine], lines[..., Line.sine]
    turn, tilt = torch.cos(p), torch.sin(p)
    return Lines(
        lines[..., Line.x] - a * sine, lines[..., Line.y] + a * cosine, lines[..., Line.z] + z,
        cosine * turn - sine * tilt, sine * turn + cosine * tilt, lines[..., Line.slope] + slope,
        lines[..., Line.curvature], covariance, weight,
    )  # fmt: skip
