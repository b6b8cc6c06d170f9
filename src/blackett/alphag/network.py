"""The method "blackett": our network's vertex for every event with a point, without torch.

    vertices = reconstruct_batch(batch)

A network is an ONNX file and its card, `vertex.onnx` and `vertex.json` in one folder
(`learn.model`); the package's own is used where no folder is given. It sees what `preparation`
makes of an event, with the settings on its card, and is refused where features mean something else
than they did in training. Events go through it in the order of their numbers of tracks, so that
few slots stay empty; an answer so depends on its neighbours by rounding alone (150 events: at most
3e-5 of its error).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from scipy.special import expit

from blackett.alphag import preparation
from blackett.alphag.preparation.layout import Track
from blackett.alphag.vertex import STATUSES, Vertices
from blackett.errors import FileFormatError, InputError, MissingDataError
from blackett.learn.model import Model

if TYPE_CHECKING:
    from collections.abc import Iterator

    from blackett.alphag.event import EventBatch
    from blackett.alphag.preparation import Prepared
    from blackett.arrays import FloatArray, IntArray

__all__ = [
    "DEFAULT",
    "Network",
    "Settings",
    "described",
    "load",
    "open_model",
    "reconstruct_batch",
    "settings_from",
]

INPUTS: Final = ("tracks", "mask", "lines", "points", "slot", "event")
OUTPUTS: Final = ("position", "covariance", "logit_cosmic")
CHUNK: Final = 64
"""Events that go through the network at a time."""
_OK, _ONE, _NO_POINTS, _NO_TRACK, _LOST = (
    STATUSES.index(s) for s in ("ok", "one track", "no points", "no track", "not converged")
)
_LOWER = np.tril_indices(3)


@dataclass(frozen=True)
class Settings:
    """Which network answers."""

    folder: str = ""
    """Folder with vertex.onnx and vertex.json; empty: the network of the package."""


DEFAULT: Final = Settings()


@dataclass(frozen=True, eq=False)
class Network:
    """A network ready to answer, and how events are prepared for it."""

    model: Model
    preparation: preparation.Settings

    @property
    def tracks(self) -> int | None:
        """Slots for tracks that the network insists on; None if it takes any number."""
        wanted = self.model.session.get_inputs()[0].shape[1]
        return wanted if isinstance(wanted, int) else None


def settings_from(folder: str) -> Settings:
    """Settings with the network in a folder."""
    return Settings(folder)


def described(settings: Settings = DEFAULT) -> dict[str, Any]:
    """What stands for these settings in a file: the network's name and SHA-256, not its folder.

    Raises as `load`.
    """
    network = load(settings.folder)
    card = network.model.card
    return {
        "network": card.get("name", ""),
        "model_sha256": card["sha256"],
        "preparation": asdict(network.preparation),
    }


def reconstruct_batch(batch: EventBatch, settings: Settings = DEFAULT) -> Vertices:
    """The vertex of every event with a point, its covariance and the probability of a cosmic muon.

    Status "ok" where two tracks or more, "one track" where one agrees with the first vertex (see
    `preparation`), and "no track" where the answer comes from points alone. Raises as `load`.
    """
    network = load(settings.folder)
    prepared = preparation.prepare(batch, network.preparation)
    position, covariance, logit = _answers(network, prepared, np.asarray(batch.point_offset))
    shares = prepared.tracks[:, :, Track.first_share] * prepared.mask
    tracks = np.maximum((shares > 0.5).sum(axis=1), prepared.n_tracks > 0)
    status = np.choose(np.minimum(tracks, 2), (_NO_TRACK, _ONE, _OK))
    status = np.where(np.isfinite(position).all(axis=1), status, _LOST)
    status = np.where(np.diff(batch.point_offset) == 0, _NO_POINTS, status)
    return Vertices(
        batch.number, position, covariance, expit(logit), tracks, status,
        batch.point_offset, prepared.point_track,
    )  # fmt: skip


def _answers(
    network: Network, prepared: Prepared, offset: IntArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Position (n, 3), covariance (n, 3, 3) and logit (n,); nan for events without a point, and
    where the network gives no finite answer."""
    n = len(prepared)
    position, covariance = np.full((n, 3), np.nan), np.full((n, 3, 3), np.nan)
    logit = np.full(n, np.nan)
    for chosen, inputs in _chunks(prepared, offset, network.tracks):
        found = network.model.run(*inputs)
        lower = np.asarray(found["covariance"], np.float64)
        good = np.isfinite(found["position"]).all(axis=1) & np.isfinite(lower).all(axis=1)
        rows = chosen[good]
        position[rows] = found["position"][good] + prepared.anchor_mm[rows]
        for (i, j), values in zip(zip(*_LOWER, strict=True), lower[good].T, strict=True):
            covariance[rows, i, j] = covariance[rows, j, i] = values
        logit[rows] = found["logit_cosmic"][good]
    return position, covariance, logit


def _chunks(
    prepared: Prepared, offset: IntArray, slots: int | None
) -> Iterator[tuple[IntArray, tuple[np.ndarray, ...]]]:
    """Events with points, in chunks of like numbers of tracks, and the network's inputs."""
    count = np.diff(offset)
    order = np.argsort(prepared.n_tracks, kind="stable")
    order = order[count[order] > 0]
    for start in range(0, len(order), CHUNK):
        chosen = order[start : start + CHUNK]
        most = max(int(prepared.n_tracks[chosen].max()), 1) if slots is None else slots
        lengths = count[chosen]
        before = np.cumsum(lengths) - lengths
        rows = np.repeat(offset[chosen] - before, lengths) + np.arange(lengths.sum())
        own = prepared.point_track[rows]
        slot = np.repeat(np.arange(len(chosen)) * (most + 1), lengths)
        slot += np.where(own >= 0, own, most)
        yield chosen, (
            _slots(prepared.tracks[chosen], most), _slots(prepared.mask[chosen], most),
            _slots(prepared.lines[chosen], most), prepared.points[rows], slot,
            prepared.event[chosen],
        )  # fmt: skip


def _slots(values: np.ndarray, most: int) -> np.ndarray:
    """The first `most` slots (axis 1), zeros where there were fewer."""
    missing = most - values.shape[1]
    if missing <= 0:
        return values[:, :most]
    return np.pad(values, [(0, 0), (0, missing)] + [(0, 0)] * (values.ndim - 2))


def load(folder: str = "") -> Network:
    """The network in a folder, or that of the package; read once.

    Raises MissingDataError where there is none, FileFormatError where it is broken, of another
    kind, or was trained for other features.
    """
    return _loaded(str(Path(folder).resolve()) if folder else "")


@cache
def _loaded(folder: str) -> Network:
    path = Path(folder) if folder else Path(str(resources.files("blackett.alphag") / "data"))
    model = open_model(path, "blackett", INPUTS, OUTPUTS)
    place, card = str(path / "vertex.json"), model.card
    if card.get("layout_sha256") != preparation.layout_sha256():
        raise FileFormatError(
            place, "layout_sha256",
            f"is {card.get('layout_sha256')}, this version's features have "
            f"{preparation.layout_sha256()}: train the network again",
        )  # fmt: skip
    try:
        settings = preparation.Settings(**card["settings"])
    except (KeyError, TypeError, InputError) as error:
        raise FileFormatError(place, "settings", f"are not those of `prepare`: {error}") from error
    return Network(model, settings)


def open_model(folder: Path, kind: str, inputs: tuple[str, ...], outputs: tuple[str, ...]) -> Model:
    """The network of a kind in a folder, vertex.onnx with its card vertex.json.

    Raises MissingDataError where there is none, FileFormatError where it is broken, of another
    kind, or takes or gives something else.
    """
    onnx, card = folder / "vertex.onnx", folder / "vertex.json"
    missing = [path.name for path in (onnx, card) if not path.is_file()]
    if missing:
        raise MissingDataError(
            f"{folder}: no {' and no '.join(missing)}: train a network with 'blackett alphag "
            f"train', and give its folder, --method {kind} --model FOLDER"
        )
    model = Model.load(onnx, card)
    if model.card.get("kind") != kind:
        raise FileFormatError(str(card), "kind", f"is {model.card.get('kind')!r}, not {kind!r}")
    found = tuple(i.name for i in model.session.get_inputs())
    given = {o.name for o in model.session.get_outputs()}
    if found != inputs or not given >= set(outputs):
        raise FileFormatError(
            str(onnx), "", f"takes {found} and gives {sorted(given)}, not {inputs} and {outputs}"
        )
    return model
