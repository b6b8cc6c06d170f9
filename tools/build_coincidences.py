"""Build `coincidences.csv`: photon pairs born in the same decay, from evaluated level schemes.

    pip download --no-deps paceENSDF==0.6.3          # 98 MB; it need not be installed
    python tools/build_coincidences.py paceENSDF-0.6.3-py3-none-any.whl

The level schemes (levels, gamma branching, conversion coefficients, capture and positron feeding)
are those of ENSDF in the JSON form of paceENSDF. Absolute intensities are those of our line table:
a pair is the intensity of its first photon times the chance that the same cascade gives the second.
"""

from __future__ import annotations

import json
import math
import re
import sys
import zipfile
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
import xraylib

from blackett.gamma.nuclides import LineTable, names, nuclide
from build_nuclides import number, write_table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from blackett.arrays import FloatArray

WEAKEST_PAIR = 1e-3
WINDOW_S = 1e-6  # levels that live longer end a cascade: their photons come in another event
SAME_LINE_KEV = 0.5
SAME_XRAY = 0.02
UNLISTED_BELOW = 1e-4  # an ENSDF gamma stronger than this but not in our table is another emitter's
K_LINES = (xraylib.KL2_LINE, xraylib.KL3_LINE, xraylib.KM2_LINE, xraylib.KM3_LINE, xraylib.KN3_LINE)

Pairs: TypeAlias = dict[tuple[float, float], float]


class Transition(NamedTuple):
    """One gamma transition between two levels of the daughter.

    `intensity` is photons per decay of the emitter; `photon`, `k_vacancy` and `total` are shares of
    the depopulation of the initial level; `energy` is that of our line table, None if not in it.
    """

    initial: int
    final: int
    energy: float | None
    intensity: float
    photon: float
    k_vacancy: float
    total: float


@dataclass(frozen=True)
class Scheme:
    """A decay scheme matched to the line table of one emitter.

    `reach[i, j]` is the chance that a nucleus in level i passes level j within the window. Feeding
    by capture with a K vacancy, and by positrons, is per level and decay. `k_lines` holds (energy,
    X-rays per K vacancy) of the daughter.
    """

    transitions: list[Transition]
    reach: FloatArray
    prompt: list[bool]
    k_capture: FloatArray
    positrons: FloatArray
    k_lines: list[tuple[float, float]]
    annihilation: float | None


def datasets(archive: zipfile.ZipFile) -> dict[str, list[dict[str, Any]]]:
    """Level schemes by the name of the parent in our tables; the half-life tells the isomers."""
    form = re.compile(r"paceENSDF/ENSDF_JSON/j_input_([A-Z][a-z]?)(\d+)_[^/]*\.json")
    ours = defaultdict(list)
    for name in names():
        ours[name.rstrip("mnpq")].append(name)
    found = defaultdict(list)
    for path in sorted(archive.namelist()):
        match = form.fullmatch(path)
        if match and (candidates := ours.get(f"{match[1]}-{match[2]}")):
            data = json.loads(archive.read(path))
            found_half_life = _half_life_s(data)
            for name in candidates if data["levelScheme"] else []:
                if math.isclose(nuclide(name).half_life_s, found_half_life, rel_tol=0.15):
                    found[name].append(data)
    return found


def _half_life_s(data: dict[str, Any]) -> float:
    values = data["parentDecay"][0]["halfLife"]
    return float(values[0]["halfLifeConverted"] or 0.0) if values else 0.0


def schemes(by_parent: dict[str, list[dict[str, Any]]], name: str) -> Iterator[Scheme]:
    """The schemes of emitter `name` itself; for an isomer without one, of the one that feeds it."""
    for data in by_parent.get(name, []):
        yield scheme(data, nuclide(name).lines, own=True)
    if name not in by_parent and nuclide(name).isomer:
        feeding = (p for p in by_parent if any(d.daughter == name for d in nuclide(p).decays))
        for data in by_parent.get(next(feeding, ""), []):
            if data["daughterAtomicNumber"] == nuclide(name).z:
                yield scheme(data, nuclide(name).lines, own=False)


def scheme(data: dict[str, Any], lines: LineTable, own: bool) -> Scheme:
    """Match the level scheme to the emitter's lines; feeding counts if it is its own scheme."""
    levels = data["levelScheme"]
    position = {level["levelIndex"]: i for i, level in enumerate(levels)}
    norm = data["decaySchemeNormalization"][0]["normalizationRecord"][0]
    transitions = _transitions(levels, position, norm, lines)
    prompt = [not _is_slow(level) for level in levels]
    leptons = (norm["multiplerLeptonIntensity"] or 0.0) * norm["multiplerBranchingRatio"] / 100
    feeding = [_feeding(level) if own else (0.0, 0.0) for level in levels]
    k_capture, positrons = np.array(feeding).T * leptons
    return Scheme(
        transitions,
        _reach(transitions, prompt),
        prompt,
        k_capture,
        positrons,
        _k_lines(data["daughterAtomicNumber"], lines),
        next((x.energy_kev for x in lines if x.kind == "annihilation"), None),
    )


def _is_slow(level: dict[str, Any]) -> bool:
    lives = [life["halfLifeConverted"] or 0.0 for life in level["isomerDecay"]]
    return max(lives, default=0.0) > WINDOW_S


def _feeding(level: dict[str, Any]) -> tuple[float, float]:
    """(Captures with a K vacancy, positrons) per 100 decays, before normalisation."""
    captures = positrons = 0.0
    for branch in level.get("betaPlusDecay", []):
        positrons += branch["betaPlusIntensity"] or 0.0
        capture = branch["electronCaptureIntensity"] or 0.0
        shells = branch["calculatedAtomicShellElectronCaptureFractions"]
        share = "calculatedElectronCaptureFractionAtomicShellK"
        captures += capture * (shells[0][share] or 0.0 if shells else 0.0)
    return captures, positrons


def _transitions(
    levels: list[dict[str, Any]], position: dict[int, int], norm: dict[str, Any], lines: LineTable
) -> list[Transition]:
    absolute = norm["multiplerPhotonIntensity"] * norm["multiplerBranchingRatio"] / 100
    gammas = [g for level in levels for g in level["gammaDecay"] if g["gammaIntensity"]]
    gammas = [g for g in gammas if g["levelIndexFinal"] in position]
    leaving: dict[int, float] = defaultdict(float)
    sharing: dict[float | None, float] = defaultdict(float)
    for g in gammas:
        leaving[g["levelIndexInitial"]] += g["gammaIntensity"] * (1 + _alpha(g))
        sharing[_line_energy(g["gammaEnergy"], lines)] += g["gammaIntensity"]
    found = []
    for g in gammas:
        energy = _line_energy(g["gammaEnergy"], lines)
        photon = g["gammaIntensity"] / leaving[g["levelIndexInitial"]]
        intensity = g["gammaIntensity"] * absolute
        if energy is not None:
            share = g["gammaIntensity"] / sharing[energy]
            intensity = share * _intensity(energy, lines)
        elif intensity > UNLISTED_BELOW:
            intensity = 0.0
        ends = position[g["levelIndexInitial"]], position[g["levelIndexFinal"]]
        k_vacancy, total = photon * _alpha_k(g), photon * (1 + _alpha(g))
        found.append(Transition(*ends, energy, intensity, photon, k_vacancy, total))
    return found


def _alpha(gamma: dict[str, Any]) -> float:
    """Total conversion coefficient, calculated or else measured; 0 where ENSDF gives none."""
    measured = gamma["experimentalTotalInternalConversionCoefficient"]
    return float(gamma["calculatedTotalInternalConversionCoefficient"] or measured or 0.0)


def _alpha_k(gamma: dict[str, Any]) -> float:
    """K conversion coefficient, calculated or else measured; at most the total."""
    found = 0.0
    for kind in ("calculated", "experimental"):
        for shells in gamma[f"{kind}AtomicShellConversionCoefficients"] or []:
            name = f"{kind}InternalConversionCoefficientAtomicShellK"
            found = found or float(shells[name] or 0.0)
    return min(found, _alpha(gamma))


def _line_energy(energy_kev: float, lines: LineTable) -> float | None:
    """Energy of the gamma line of our table nearest to `energy_kev`, None if none is near."""
    gammas = [x.energy_kev for x in lines if x.kind == "gamma"]
    nearest, distance = _nearest(gammas, energy_kev)
    return nearest if distance <= SAME_LINE_KEV else None


def _intensity(energy_kev: float, lines: LineTable) -> float:
    return float(lines.photons_per_decay[lines.energy_kev == energy_kev].sum())


def _reach(transitions: list[Transition], prompt: list[bool]) -> FloatArray:
    step = np.zeros((len(prompt), len(prompt)))
    for t in transitions:
        if prompt[t.initial]:
            step[t.initial, t.final] += t.total
    return np.asarray(np.linalg.inv(np.eye(len(prompt)) - step), dtype=np.float64)


def _k_lines(z: int, lines: LineTable) -> list[tuple[float, float]]:
    """(Energy in our table, X-rays per K vacancy), from the K yield and the line fractions."""
    xrays = [x.energy_kev for x in lines if x.kind == "x-ray"]
    if not xrays:
        return []
    rates = {line: rate for line in K_LINES if (rate := _rate(z, line)) > 0}
    shares: dict[float, float] = defaultdict(float)
    for line, rate in rates.items():
        nearest, distance = _nearest(xrays, xraylib.LineEnergy(z, line))
        if distance < SAME_XRAY * nearest:
            yield_k = xraylib.FluorYield(z, xraylib.K_SHELL)
            shares[nearest] += yield_k * rate / sum(rates.values())
    return list(shares.items())


def _rate(z: int, line: int) -> float:
    """Share of `line` in the K X-rays; 0 where the element has no such line."""
    try:
        return float(xraylib.RadRate(z, line))
    except ValueError:
        return 0.0


def _nearest(energies: list[float], energy: float) -> tuple[float, float]:
    """(Nearest of `energies`, its distance); both infinite for an empty list."""
    nearest = min(energies, key=lambda e: abs(e - energy), default=math.inf)
    return nearest, abs(nearest - energy)


def pairs(of: Scheme) -> Pairs:
    """Pairs per decay by (energy 1, energy 2), energy 1 <= energy 2."""
    found: Pairs = defaultdict(float)
    later = [t for t in of.transitions if of.prompt[t.initial]]
    for first, weight, level in _starts(of):
        for second in later:
            reached = weight * of.reach[level, second.initial]
            if reached > 0:
                for energy, share in _photons(second, of.k_lines):
                    found[min(first, energy), max(first, energy)] += reached * share
    return found


def _starts(of: Scheme) -> Iterator[tuple[float, float, int]]:
    """(Photon energy, photons per decay, level left behind) of all that can precede a photon."""
    for t in of.transitions:
        if t.photon > 0:
            per_photon = t.intensity / t.photon
            for energy, share in _photons(t, of.k_lines):
                yield energy, per_photon * share, t.final
    for level in range(len(of.prompt)):
        for energy, share in of.k_lines:
            yield energy, of.k_capture[level] * share, level
        if of.annihilation is not None:
            yield of.annihilation, 2 * of.positrons[level], level


def _photons(t: Transition, k_lines: list[tuple[float, float]]) -> Iterator[tuple[float, float]]:
    if t.energy is not None:
        yield t.energy, t.photon
    for energy, share in k_lines:
        yield energy, t.k_vacancy * share


def bounded(found: Pairs, lines: LineTable) -> Pairs:
    """No more pairs than photons of either line; an annihilation photon counts twice a decay."""
    limit = {}
    for x in lines:
        limit[x.energy_kev] = x.photons_per_decay
    double = {x.energy_kev for x in lines if x.kind == "annihilation"}
    return {
        (a, b): min(
            value, limit[a] * (2 if b in double else 1), limit[b] * (2 if a in double else 1)
        )
        for (a, b), value in found.items()
    }


def rows(by_parent: dict[str, list[dict[str, Any]]]) -> Iterator[list[str]]:
    """Rows of coincidences.csv."""
    for name in names():
        total: Pairs = defaultdict(float)
        for one in schemes(by_parent, name):
            for energies, value in pairs(one).items():
                total[energies] += value
        for (a, b), value in sorted(bounded(total, nuclide(name).lines).items()):
            if value >= WEAKEST_PAIR:
                yield [name, f"{a:.3f}", f"{b:.3f}", number(value)]


def main() -> None:
    """Build the table from the paceENSDF wheel named on the command line."""
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    with zipfile.ZipFile(sys.argv[1]) as archive:
        by_parent = datasets(archive)
    about = [
        "Pairs of photons born in the same decay, per decay of the nuclide; from 1e-3 per decay.",
        "Level schemes: ENSDF as in paceENSDF 0.6.3; line intensities: lines.csv; K yields and K",
        "line fractions: xraylib. Gamma-gamma, gamma-KX, KX-KX and annihilation with either.",
        "Levels that live longer than 1 us end a cascade. Not listed: the two annihilation photons",
        "of one positron (back to back), L X-rays, and what more than two photons do together.",
        "Built by tools/build_coincidences.py; do not edit.",
    ]
    columns = "nuclide energy_1_kev energy_2_kev pairs_per_decay"
    print(write_table("coincidences", about, columns, rows(by_parent)), "pairs")


if __name__ == "__main__":
    main()
