"""Read decay sections of an evaluated library in ENDF-6 format: half-lives, modes, photons.

The libraries are those inside the `sandy` package (offline); the `endf` package parses a section.
Used by `build_nuclides.py`, `check_nuclides.py` and `build_coincidences.py`.
"""

from __future__ import annotations

import io
import tarfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from endf.mf8 import parse_mf8_mt457
from endf.records import float_endf

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ADOPTED, CHECK = ("ENDF/B-VIII.0", "endfb_80"), ("JEFF-4.0", "jeff_40")

# Lines of these come from the second library; the reason goes to the README.
EXCEPTIONS = {
    "Th-227": "235.97 keV is 0.175 per decay in ENDF/B-VIII.0, 0.126 in JEFF-4.0 and 0.129 in "
    "JENDL-5, and all other lines are high by the same factor",
    "Hf-177m": "ENDF/B-VIII.0 lists 0.23 X-rays above 20 keV per decay, while its own conversion "
    "coefficients (sum of I x alpha_K = 1.54) ask for the 1.59 of JEFF-4.0",
}

LOWEST_KEV = 5.0
WEAKEST_PER_DECAY = 1e-5
LOST_ENERGY_SHARE = 1e-3  # weaker lines stay in until they hold less than this of the photon energy
XRAY_GROUP_SPAN = 0.01  # X-ray lines of one nuclide within 1 % in energy become one line
ANNIHILATION_KEV = 510.99895

SYMBOLS: list[str] = []
for period in (
    "n H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As",
    "Se Br Kr Rb Sr Y Zr Nb Mo Tc Ru Rh Pd Ag Cd In Sn Sb Te I Xe Cs Ba La Ce Pr Nd Pm Sm Eu Gd",
    "Tb Dy Ho Er Tm Yb Lu Hf Ta W Re Os Ir Pt Au Hg Tl Pb Bi Po At Rn Fr Ra Ac Th Pa U Np Pu Am",
    "Cm Bk Cf",
):
    SYMBOLS += period.split()

Key: TypeAlias = tuple[int, int, int]
STEPS = {1: (1, 0), 2: (-1, 0), 3: (0, 0), 4: (-2, -4), 5: (0, -1), 7: (-1, -1)}
MODES = {"1": "beta-", "2": "ec/beta+", "3": "it", "4": "alpha", "5": "n", "6": "sf", "7": "p"}


class Decay(NamedTuple):
    """One decay mode; `daughter` is None for spontaneous fission."""

    mode: str
    daughter: Key | None
    branching: float
    sigma: float


class Photon(NamedTuple):
    """One line: energies in keV, intensities in photons per decay."""

    energy: float
    energy_sigma: float
    intensity: float
    sigma: float
    kind: str


@dataclass(frozen=True)
class Library:
    """The decay sections of one joined ENDF-6 tape, parsed when asked for."""

    title: str
    sections: dict[Key, str]

    def record(self, key: Key) -> dict[str, Any]:
        """The parsed section MF 8, MT 457 of one nuclide."""
        record: dict[str, Any] = parse_mf8_mt457(io.StringIO(self.sections[key]))
        return record


def read_library(title: str, archive: str) -> Library:
    """Cut the decay sections (MF 8, MT 457) out of the tape `archive` inside the sandy package."""
    spec = find_spec("sandy")
    if spec is None or spec.origin is None:
        raise SystemExit("the libraries are inside the sandy package: pip install sandy endf")
    path = Path(spec.origin).parent / f"appendix/onefile_archives/decay_{archive}.tar.xz"
    with tarfile.open(path) as tar:
        member = tar.extractfile(tar.getmembers()[0])
        text = member.read().decode() if member else ""
    by_material: dict[str, list[str]] = {}
    for line in text.split("\n"):
        if line[70:75] == " 8457":
            by_material.setdefault(line[66:70], []).append(line + "\n")
    return Library(title, {_key(lines[0]): "".join(lines) for lines in by_material.values()})


def _key(head: str) -> Key:
    za, isomer = round(float_endf(head[:11])), int(head[33:44])
    return za // 1000, za % 1000, isomer


def name_of(key: Key) -> str:
    """Cs-137, Ba-137m, Hf-178n."""
    return f"{SYMBOLS[key[0]]}-{key[1]}{'mnpq'[key[2] - 1] if key[2] else ''}"


def key_of(name: str) -> Key:
    """Inverse of `name_of`."""
    symbol, _, rest = name.partition("-")
    isomer = "mnpq".index(rest[-1]) + 1 if rest[-1].isalpha() else 0
    return SYMBOLS.index(symbol), int(rest.rstrip("mnpq")), isomer


def is_stable(record: dict[str, Any]) -> bool:
    """Stable, or never seen to decay: the library then gives no half-life (Te-123, Xe-134)."""
    return bool(record["NST"] == 1 or record["T1/2"][0] == 0)


def decays(key: Key, record: dict[str, Any]) -> list[Decay]:
    """Decay modes, largest branching first."""
    found = [] if is_stable(record) else [_decay(key, mode) for mode in record["modes"]]
    return sorted((d for d in found if d.branching > 0), key=lambda d: -d.branching)


def _decay(key: Key, mode: dict[str, Any]) -> Decay:
    """RTYP 1.5 means beta minus, then a neutron (ENDF-102 section 8.3)."""
    digits = f"{float(mode['RTYP']):g}".replace(".", "")
    daughter: Key | None = None
    if "6" not in digits:
        z = key[0] + sum(STEPS[int(d)][0] for d in digits)
        a = key[1] + sum(STEPS[int(d)][1] for d in digits)
        daughter = (z, a, int(mode["RFS"]))
    name = "+".join(MODES[d] for d in digits)
    return Decay(name, daughter, float(mode["BR"][0]), float(mode["BR"][1]))


def photons(record: dict[str, Any]) -> list[Photon]:
    """All discrete photons above 5 keV, X-rays grouped, sorted by energy.

    Radiation type 0 is gamma; type 9 holds X-rays and the annihilation photons (ENDF-102 8.4). The
    sigma of the normalisation factor FD is added in quadrature.
    """
    found = []
    for spectrum in record.get("spectra", []):
        if spectrum["STYP"] in (0, 9):
            found += [_photon(spectrum, line) for line in spectrum.get("discrete", [])]
    found = [p for p in found if p.energy >= LOWEST_KEV and p.intensity > 0]
    xrays = [p for p in found if p.kind == "x-ray"]
    return sorted([p for p in found if p.kind != "x-ray"] + list(group_xrays(xrays)))


def _photon(spectrum: dict[str, Any], line: dict[str, Any]) -> Photon:
    energy, energy_sigma = (float(v) / 1e3 for v in line["ER"])
    factor, factor_sigma = (float(v) for v in spectrum["FD"])
    relative, relative_sigma = (float(v) for v in line["RI"])
    sigma = ((factor * relative_sigma) ** 2 + (factor_sigma * relative) ** 2) ** 0.5
    kind = "gamma"
    if spectrum["STYP"] == 9:
        kind = "annihilation" if abs(energy - ANNIHILATION_KEV) < 0.05 else "x-ray"
    return Photon(energy, energy_sigma, factor * relative, sigma, kind)


def group_xrays(xrays: Sequence[Photon]) -> Iterator[Photon]:
    """Merge X-ray lines spanning less than 1 % to one, at their mean; sigmas add (correlated)."""
    group: list[Photon] = []
    for photon in sorted(xrays):
        if group and photon.energy > group[0].energy * (1 + XRAY_GROUP_SPAN):
            yield _merged(group)
            group = []
        group.append(photon)
    if group:
        yield _merged(group)


def _merged(group: Sequence[Photon]) -> Photon:
    total = sum(p.intensity for p in group)
    energy = sum(p.intensity * p.energy for p in group) / total
    energy_sigma = sum(p.intensity * p.energy_sigma for p in group) / total
    return Photon(energy, energy_sigma, total, sum(p.sigma for p in group), "x-ray")


def worth_keeping(lines: Sequence[Photon]) -> list[Photon]:
    """Leave out lines below 1e-5 per decay while they hold < 0.1 % of the photon energy."""
    allowed = LOST_ENERGY_SHARE * sum(p.intensity * p.energy for p in lines)
    dropped = set()
    for photon in sorted(lines, key=lambda p: p.intensity * p.energy):
        allowed -= photon.intensity * photon.energy
        if allowed < 0:
            break
        if photon.intensity < WEAKEST_PER_DECAY:
            dropped.add(photon)
    return [p for p in lines if p not in dropped]
