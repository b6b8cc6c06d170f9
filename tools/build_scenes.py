"""Rebuild src/blackett/gamma/data/scenes.npz: scatter kernels of all scenes, by Monte Carlo.

    python tools/build_scenes.py [--effort 1.0] [--seed 1] [--work DIR] [--only NAME...]

Each kernel is kept in DIR as soon as it is done, and taken from there on the next run with the same
settings, so an interrupted build goes on where it stopped. About 13 minutes on one core; the same
seed and effort give the same table.
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
import time
import zlib
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np

from blackett.gamma.kernels import (
    HIGHEST_KEV,
    LOWEST_KEV,
    Fluence,
    at_equal_shift,
    sharp_lines_kev,
)
from blackett.gamma.matter import material
from blackett.gamma.surroundings import Tally, fluence_at, fluence_in_medium
from blackett.gamma.world import Box, World, box_source, point_source, shown_volume_mm3

OUT = Path(__file__).parents[1] / "src" / "blackett" / "gamma" / "data" / "scenes.npz"
EDGES_KEV = {
    "Sn": 29.2001,
    "W": 69.525,
    "Pb": 88.0045,
    "U": 115.602,
}  # K edges, as in fluorescence.csv
HISTORIES = {"around": 20_000, "shield": 20_000, "extended": 24_000, "environment": 20_000}
PRECISION = 0.007  # of the scattered part: enough
Source = Callable[[int, np.random.Generator], np.ndarray]


def incident_kev() -> np.ndarray:
    """Tabulated energies: 12 % apart, with a pair close around each K edge."""
    plain = np.geomspace(LOWEST_KEV, HIGHEST_KEV, 44)
    pairs = [edge + side for edge in EDGES_KEV.values() for side in (-0.05, 0.05)]
    return np.unique(np.concatenate([plain, pairs]))


@dataclass(frozen=True)
class Case:
    """One kernel to compute: a world, a source in it, and what one unit of fluence is."""

    name: str
    world: World
    source: Source = field(repr=False)
    scale_mm2: float  # tallied fluence times this is what is stored
    reference_mm: float = 0.0
    medium: str = ""  # infinite medium instead of the world
    effort: float = 1.0  # of the histories of its group, `HISTORIES`
    strata: tuple[tuple[float, Source], ...] = field(default=(), repr=False)
    """Shares of the emission and where they start, each sampled as often; empty: from `source`."""


def sphere(distance_mm: float) -> float:
    """Area of the sphere on which a bare point source's fluence is spread."""
    return 4.0 * math.pi * distance_mm**2


def box(fill: str, x: tuple[float, float], y: tuple[float, float], z: tuple[float, float]) -> Box:
    """A box by its extent on each axis."""
    return Box(fill, (x[0], y[0], z[0]), (x[1], y[1], z[1]))


# The detector's place is the origin, sources lie on +x, up is +z. A RadiaCode lies flat with its
# crystal 12 mm above what it lies on, or 10 mm from what touches its face.
TABLE = box("wood", (-600, 900), (-400, 400), (-42, -12))
FLOOR = box("concrete", (-3000, 3000), (-3000, 3000), (-920, -770))
WALL = box("concrete", (1400, 1550), (-3000, 3000), (-770, 1800))


def room(fill: str, shell_mm: float) -> tuple[Box, Box]:
    """Shell and air of a room of 4 m x 3 m x 2.5 m; the detector 0.8 m above the floor."""
    (x0, x1), (y0, y1), (z0, z1) = (-1500, 2500), (-1300, 1700), (-800, 1700)
    t = shell_mm
    return (
        box(fill, (x0 - t, x1 + t), (y0 - t, y1 + t), (z0 - t, z1 + t)),
        box("air", (x0, x1), (y0, y1), (z0, z1)),
    )


def around(surroundings: str, d: float) -> World:
    """World of one class of surroundings, for a source at distance d."""
    behind = box("water", (d + 10, d + 30), (-100, 100), (-12, 188))
    worlds: dict[str, tuple[Box, ...]] = {
        "open": (),
        "bench": (FLOOR, WALL, TABLE),
        "desk": (FLOOR, WALL, TABLE, behind),
        "floor": (box("concrete", (-3000, 3000), (-3000, 3000), (-162, -12)),),
        "room": (*room("concrete", 150), TABLE),
    }
    return World(worlds[surroundings])


DISTANCES_MM = (15.0, 50.0, 150.0, 280.0, 500.0)


def surroundings_cases() -> list[Case]:
    """Each class of surroundings at several distances; in the open scatter grows in proportion."""
    return [
        Case(f"around/{name}/{d:g}", around(name, d), point_source(d, 0, 0), sphere(d), d)
        for name in ("open", "bench", "desk", "floor", "room")
        for d in ((150.0, 500.0) if name == "open" else DISTANCES_MM)
    ]


SHIELDS = {
    "polyethylene": (5.0, 20.0, 50.0),
    "aluminium": (2.0, 10.0, 30.0),
    "iron": (2.0, 5.0, 15.0),
    "tin": (1.0, 4.0),
    "tungsten": (1.0, 5.0),
    "lead": (1.0, 3.0, 10.0, 25.0, 50.0),
}


def shield_cases() -> list[Case]:
    """Slabs of 120 mm x 120 mm, their near face 5 mm from the source, 200 mm to the detector."""
    d, half = 200.0, 60.0
    return [
        Case(
            f"shield/{fill}/{t:g}",
            World((box(fill, (d - 5 - t, d - 5), (-half, half), (-half, half)),)),
            point_source(d, 0, 0),
            sphere(d),
            d,
        )
        for fill, thicknesses in SHIELDS.items()
        for t in thicknesses
    ]


def extended(name: str, reference_mm: float, *boxes: Box, emit: tuple[int, ...] = (0,)) -> Case:
    """A source uniform in some of the boxes."""
    world = World(boxes)
    source = box_source(world, *emit)
    return Case(f"extended/{name}", world, source, sphere(reference_mm), reference_mm)


def stratified(name: str, reference_mm: float, *boxes: Box) -> Case:
    """A source uniform in boxes within each other, the near ones sampled as often as the far."""
    case = extended(name, reference_mm, *boxes, emit=tuple(range(len(boxes))))
    volumes = [shown_volume_mm3(case.world, (k,)) for k in range(len(boxes))]
    strata = tuple(
        (volume / sum(volumes), box_source(case.world, k)) for k, volume in enumerate(volumes)
    )
    return replace(case, strata=strata)


def shell(fill: str, t: float, x: tuple[float, float], half: float) -> tuple[Box, Box]:
    """A box of wall thickness t around air; inner extent x, and -half to half in y and z."""
    return (
        box(fill, (x[0] - t, x[1] + t), (-half - t, half + t), (-half - t, half + t)),
        box("air", x, (-half, half), (-half, half)),
    )


OUTCROP_MM = ((400, 500), (210, 240), (100, 110), (30, 40))
"""Depth and half the width of a block of rock too large to see its other side, and of strata."""


def extended_cases() -> list[Case]:
    """Self-absorbing sources, and radon in a bottle."""
    square = ((-50.0, 50.0), (-50.0, 50.0))
    cases = [
        extended("jar", 50, box("kcl", (10, 90), (-40, 40), (-40, 40))),
        extended("soil bag", 40, box("soil", (10, 70), (-75, 75), (-75, 75))),
        extended("rock", 35, box("granite", (10, 60), (-40, 40), (-40, 40))),
        extended("mineral", 25, box("granite", (10, 40), (-15, 15), (-15, 15))),
        extended("ore", 15, box("uraninite", (10, 20), (-10, 10), (-10, 10))),
        extended("glass", 13, box("uranium glass", (10, 16), *square)),
        extended("glaze", 11, box("uranium glass", (10.7, 11), *square),
                 box("ceramic", (11, 17), *square)),
        extended("rod", 12, box("thoriated tungsten", (10, 13), (-1.5, 1.5), (-50, 50))),
        extended("marinelli", 30, box("water", (-40, 50), (-45, 45), (-42, 42)),
                 box("air", (-41, 12), (-22, 22), (-12, 12))),
        stratified("outcrop", 60, *(box("granite", (10, 10 + depth), (-half, half), (-half, half))
                                    for depth, half in OUTCROP_MM)),
    ]  # fmt: skip
    bottle, inside = shell("polyethylene", 1.0, (-60.0, 100.0), 50.0)
    for part, name in ((1, "radon air"), (0, "radon plate-out")):
        cases.append(extended(name, 60, bottle, inside, emit=(part,)))
    return cases


def environment_cases() -> list[Case]:
    """Natural radiation: 1/cm2 per photon emitted in a gram of solid, or in a m3 of air."""
    shells = World(room("concrete", 150))
    cubic_mm = shown_volume_mm3(shells, (0,))
    grams = cubic_mm * 1e-3 * material("concrete").density_g_cm3
    air_m3 = shown_volume_mm3(shells, (1,)) * 1e-9
    ground = World((box("soil", (-8000, 8000), (-8000, 8000), (-1400, -1000)),))
    soil_g = shown_volume_mm3(ground, (0,)) * 1e-3 * material("soil").density_g_cm3
    nowhere = point_source(0, 0, 0)
    media = [
        # 1/mm2 per photon/mm3 -> 1/cm2 per photon/g: 100 x g/mm3
        Case(
            f"environment/{m} medium",
            World((), m),
            nowhere,
            0.1 * material(m).density_g_cm3,
            0.0,
            m,
        )
        for m in ("concrete", "soil")
    ]
    return [
        *media,
        Case("environment/walls", shells, box_source(shells, 0), 100.0 * grams, effort=2.0),
        Case("environment/room air", shells, box_source(shells, 1), 100.0 * air_m3),
        Case("environment/ground", ground, box_source(ground, 0), 100.0 * soil_g, effort=2.0),
    ]


EFFORT = {"extended/rod": 8.0, "extended/ore": 5.0, "extended/outcrop": 3.0,
          "shield/lead/3": 3.0, "shield/lead/10": 4.0, "shield/lead/25": 4.0, "shield/lead/50": 4.0,
          "shield/tungsten/5": 3.0}  # fmt: skip
"""Heavy matter lets few photons out: these kernels need more histories for the same error."""


def all_cases() -> list[Case]:
    """Every kernel of the table."""
    cases = surroundings_cases() + shield_cases() + extended_cases() + environment_cases()
    return [replace(c, effort=EFFORT.get(c.name, c.effort)) for c in cases]


def one_run(case: Case, energy: float, rng: np.random.Generator) -> Tally:
    """2000 histories of a case, shared out among its strata."""
    if not case.strata:
        return fluence_at(case.world, case.source, energy, 2000, rng)
    n = 2000 // len(case.strata)
    parts = [
        (share, fluence_at(case.world, source, energy, n, rng)) for share, source in case.strata
    ]
    indirect = sum(share * t.indirect for share, t in parts)
    oblique = sum(share * t.indirect * t.obliquity for share, t in parts)
    return Tally(
        direct=sum(share * t.direct for share, t in parts),
        coherent=sum(share * t.coherent for share, t in parts),
        continuum=np.sum([share * t.continuum for share, t in parts], axis=0),
        sharp=np.sum([share * t.sharp for share, t in parts], axis=0),
        obliquity=oblique / max(indirect, 1e-300),
        error=math.sqrt(sum((share * t.error) ** 2 for share, t in parts)),
        histories=2000,
    )


def tally(case: Case, energy: float, effort: float, rng: np.random.Generator) -> list[Tally]:
    """Runs until the histories of the case are used, or the scattered part is known well enough."""
    runs: list[Tally] = []
    limit = effort * case.effort * HISTORIES[case.name.split("/")[0]]
    while True:
        if case.medium:
            runs.append(fluence_in_medium(case.medium, energy, 2000, rng)[0])
        else:
            runs.append(one_run(case, energy, rng))
        total = sum(t.indirect * t.histories for t in runs)
        error = math.sqrt(sum((t.error * t.histories) ** 2 for t in runs))
        if sum(t.histories for t in runs) >= limit or error <= PRECISION * total:
            return runs


def compute(case: Case, energies: np.ndarray, effort: float, seed: int) -> dict[str, np.ndarray]:
    """One kernel: arrays by name, in stored units."""
    rows: dict[str, list[np.ndarray]] = {}
    for number, energy in enumerate(energies):
        rng = np.random.default_rng([seed, zlib.crc32(case.name.encode()), number])
        runs = tally(case, float(energy), effort, rng)
        weights = np.array([t.histories for t in runs], dtype=float) / sum(
            t.histories for t in runs
        )
        for key in ("direct", "coherent", "continuum", "sharp"):
            mean = sum(w * np.asarray(getattr(t, key)) for w, t in zip(weights, runs, strict=True))
            rows.setdefault(key, []).append(case.scale_mm2 * np.asarray(mean))
        indirect = np.array([t.indirect for t in runs]) * weights
        oblique = indirect @ [t.obliquity for t in runs] / max(indirect.sum(), 1e-300)
        error = math.sqrt(sum((w * t.error) ** 2 for w, t in zip(weights, runs, strict=True)))
        rows.setdefault("obliquity", []).append(np.asarray(max(oblique, 1.0)))
        rows.setdefault("error", []).append(np.asarray(error / max(indirect.sum(), 1e-300)))
    return {key: np.array(value) for key, value in rows.items()}


def smoothed(
    case: Case, arrays: dict[str, np.ndarray], energies: np.ndarray
) -> dict[str, np.ndarray]:
    """Rows averaged with both neighbours at equal Compton shift, weighted by 1/error².

    Amounts too where they change slowly with the incident energy (surroundings, environments, from
    50 keV); of shields and thick sources the continuum's shape only, from above all K edges.
    """
    slow = case.name.startswith(("around/", "environment/"))
    scale = np.ones(len(energies)) if slow else np.maximum(arrays["continuum"].sum(1), 1e-300)
    parts = ("direct", "coherent", "continuum", "sharp", "obliquity")
    table = Fluence(energies, *(arrays[part] for part in parts))
    made = {key: value.copy() for key, value in arrays.items()}
    for i in np.flatnonzero(energies > (50.0 if slow else 130.0))[:-1]:
        near = np.array([i - 1, i, i + 1])
        weights = np.array([1.0, 2.0, 1.0]) / np.maximum(arrays["error"][near], PRECISION) ** 2
        weights /= weights.sum()
        rows = at_equal_shift(table, near, np.full(3, energies[i]))
        made["continuum"][i] = (weights * scale[i] / scale[near]) @ rows
        for key in ("coherent", "sharp", "obliquity") if slow else ("obliquity",):
            made[key][i] = np.tensordot(weights, arrays[key][near], 1)
    return made


def settings(args: argparse.Namespace, case: Case) -> str:
    """What a kept kernel must have been made with."""
    world = zlib.crc32(repr((case.world, case.medium)).encode())
    return f"{args.seed} {args.effort * case.effort:g} {world}"


def kept(path: Path, wanted: str) -> dict[str, np.ndarray] | None:
    """A kernel of an earlier run with the same settings, or None."""
    if not path.is_file():
        return None
    with np.load(path) as file:
        arrays = dict(file)
    return arrays if str(arrays.pop("settings")) == wanted else None


def save(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write aside and rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_suffix(".part.npz")
    np.savez_compressed(aside, **arrays)  # type: ignore[arg-type]
    aside.replace(path)


def packed(cases: list[Case], kernels: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """All kernels in one set of arrays, continua as float16 shares of the row's largest bin."""
    stack = {key: np.array([k[key] for k in kernels]) for key in kernels[0]}
    peak = stack["continuum"].max(axis=2)
    shape = stack["continuum"] / np.maximum(peak, 1e-300)[:, :, None]
    text = [
        json.dumps({"boxes": [asdict(b) for b in c.world.boxes], "medium": c.medium}) for c in cases
    ]
    return {
        "names": np.array([case.name for case in cases]),
        "worlds": np.array(text),
        "reference_mm": np.array([case.reference_mm for case in cases]),
        "incident_kev": incident_kev(),
        "sharp_kev": sharp_lines_kev(),
        "shape": shape.astype(np.float16),
        "peak": peak.astype(np.float32),
        **{k: stack[k].astype(np.float32) for k in ("direct", "coherent", "sharp")},
        **{k: stack[k].astype(np.float16) for k in ("obliquity", "error")},
    }


def options() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--effort", type=float, default=1.0, help="times the usual histories")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--work", type=Path, default=Path(tempfile.gettempdir()) / "blackett-scenes"
    )
    parser.add_argument("--only", nargs="*", help="compute these kernels only, write no table")
    return parser.parse_args()


def main() -> None:
    """Compute or take up every kernel, then write the table."""
    args = options()
    cases = [c for c in all_cases() if not args.only or c.name in args.only]
    kernels, begin = [], time.monotonic()
    for number, case in enumerate(cases):
        path = args.work / f"{case.name.replace('/', '_').replace(' ', '_')}.npz"
        arrays = kept(path, settings(args, case))
        if arrays is None:
            arrays = compute(case, incident_kev(), args.effort, args.seed)
            save(path, {**arrays, "settings": np.array(settings(args, case))})
        kernels.append(smoothed(case, arrays, incident_kev()))
        error = float(np.median(arrays["error"]))
        spent = time.monotonic() - begin
        print(
            f"{number + 1}/{len(cases)} {case.name}: median error {error:.2%}, {spent:.0f} s",
            flush=True,
        )
    if not args.only:
        save(OUT, packed(cases, kernels))
        print(f"{OUT}: {OUT.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
