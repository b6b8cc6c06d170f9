"""Which radionuclides does this spectrum hold? The answer as a record, with what proves it.

`identify` chooses the detector, groups the spectrum, unmixes it (`unmix`) and puts the result into
an `Identification`, the contract of the command line, the Python call and the web page alike.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np

import blackett
from blackett.errors import InputError
from blackett.gamma import evidence
from blackett.gamma import unmix as unmixing
from blackett.gamma.detector import Detector, detector, detector_for
from blackett.gamma.likelihood import width_at
from blackett.gamma.spectrum import Spectrum, rebin
from blackett.gamma.templates import CONTINUUM, library

if TYPE_CHECKING:
    from collections.abc import Sequence

    from blackett.arrays import FloatArray
    from blackett.gamma.templates import Library
    from blackett.gamma.unmix import Grouped, Settings, Unmixed

__all__ = [
    "Calibration",
    "Candidate",
    "Identification",
    "Model",
    "NotDetected",
    "NuclideFound",
    "identify",
    "identify_with_fit",
]

Verdict = Literal["background", "identified", "unknown", "insufficient"]
METHODS = ("unmix",)
UNKNOWN_SIGMA = 6.0
"""A peak that nothing explains makes the answer unknown from about this significance on."""
MOST_LINES, MOST_CANDIDATES = 6, 5
DECLARED_FROM = 0.9
"""Probability at the declaring limit; a candidate that failed the full test has no more."""


@dataclass(frozen=True)
class NuclideFound:
    """A source declared present above background."""

    nuclide: str
    probability: float
    significance_sigma: float
    net_cps: float
    net_cps_interval_95: tuple[float, float]
    activity_bq: float | None
    activity_bq_interval_95: tuple[float, float] | None
    lines: tuple[evidence.LineEvidence, ...]


@dataclass(frozen=True)
class Candidate:
    """A source considered and not declared."""

    nuclide: str
    probability: float


@dataclass(frozen=True)
class NotDetected:
    """A source that is absent, or weaker than its detection limit (ISO 11929, 95 %)."""

    nuclide: str
    mda_cps: float


@dataclass(frozen=True)
class Calibration:
    """How the fit found the axis and the resolution: true = gain x stored + offset."""

    gain: float
    offset_kev: float
    fwhm_662_percent: float


@dataclass(frozen=True)
class Model:
    """What answered."""

    name: str
    version: str
    sha256: str


@dataclass(frozen=True)
class Identification:
    """The answer for one spectrum; `to_dict` gives the JSON object of the command line."""

    file: str
    spectrum: int
    detector: str
    live_time_s: float
    counts: int
    verdict: Verdict
    nuclides: tuple[NuclideFound, ...]
    candidates: tuple[Candidate, ...]
    not_detected: tuple[NotDetected, ...]
    unknown_probability: float
    goodness_of_fit: evidence.Goodness | None
    calibration: Calibration | None
    background: Literal["embedded", "file", "modelled"]
    model: Model
    method: str
    warnings: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain types, ready for JSON."""
        return asdict(self)


# --- entry ---------------------------------------------------------------------


@overload
def identify(
    spectrum: Spectrum, background: Spectrum | None = ..., method: str = ..., *,
    detector_name: str | None = ..., distance_mm: float | None = ..., with_limits: bool = ...,
    settings: Settings = ...,
) -> Identification: ...  # fmt: skip


@overload
def identify(
    spectrum: Sequence[Spectrum], background: Spectrum | None = ..., method: str = ..., *,
    detector_name: str | None = ..., distance_mm: float | None = ..., with_limits: bool = ...,
    settings: Settings = ...,
) -> list[Identification]: ...  # fmt: skip


def identify(
    spectrum: Spectrum | Sequence[Spectrum],
    background: Spectrum | None = None,
    method: str = "unmix",
    *,
    detector_name: str | None = None,
    distance_mm: float | None = None,
    with_limits: bool = False,
    settings: Settings = unmixing.DEFAULT,
) -> Identification | list[Identification]:
    """Identify the nuclides in one spectrum, or in each of several (all that a file holds).

    `background` replaces one embedded in the spectrum. `detector_name` is needed where the file
    does not name its instrument; `distance_mm`, from source to the crystal's centre, turns rates
    into activities; `with_limits` adds the detection limit of every source not declared.
    Raises InputError for an unknown method or detector, an uncalibrated spectrum, or a background
    recorded on another kind of axis.
    """
    spectra = [spectrum] if isinstance(spectrum, Spectrum) else spectrum
    found = [
        replace(
            identify_with_fit(
                one, background, method, detector_name=detector_name, distance_mm=distance_mm,
                with_limits=with_limits, settings=settings,
            )[0],
            spectrum=number,
        )
        for number, one in enumerate(spectra)
    ]  # fmt: skip
    return found[0] if isinstance(spectrum, Spectrum) else found


def identify_with_fit(
    spectrum: Spectrum,
    background: Spectrum | None = None,
    method: str = "unmix",
    *,
    detector_name: str | None = None,
    distance_mm: float | None = None,
    with_limits: bool = False,
    settings: Settings = unmixing.DEFAULT,
) -> tuple[Identification, Unmixed | None]:
    """As `identify`, with the fit behind the answer (None where there were too few counts)."""
    if method not in METHODS:
        raise InputError(f"method {method!r} is not one of {', '.join(METHODS)}")
    if distance_mm is not None and not 1.0 <= distance_mm <= 1e5:
        raise InputError(f"distance {distance_mm:g} mm is not between 1 mm and 100 m")
    instrument, notes = choose_detector(spectrum, detector_name)
    templates = library(instrument.name)
    origin: Literal["embedded", "file", "modelled"] = "file" if background else "embedded"
    room = background if background is not None else spectrum.background
    if room is None:
        origin = "modelled"
    grouped = _group(spectrum, room, instrument, settings)
    shell = _Shell(spectrum, instrument, origin, method, (*spectrum.warnings, *notes))
    if grouped.counts.sum() < settings.fewest_counts:
        few = f"only {int(grouped.counts.sum())} counts: too few to say anything"
        return shell.answer(templates, settings, "insufficient", warning=few), None
    unmixed = unmixing.unmix(unmixing.task(grouped, templates, settings))
    return _answer(shell, unmixed, distance_mm, with_limits), unmixed


def choose_detector(spectrum: Spectrum, name: str | None) -> tuple[Detector, tuple[str, ...]]:
    """The instrument by flag, by what the file says, or by the sharpness of the spectrum itself."""
    if name is not None:
        return detector(name), ()
    for text in (spectrum.serial, spectrum.device):
        found = detector_for(text) if text else None
        if found is not None:
            return found, ()
    guessed = detector("hpge" if _has_sharp_peaks(spectrum) else "csi-generic")
    named = f" ({spectrum.device!r})" if spectrum.device else ""
    return guessed, (
        f"the file names no known detector{named}: taken as {guessed.name} from the widths of its "
        "peaks; say which with --detector",
    )


def _has_sharp_peaks(spectrum: Spectrum) -> bool:
    """True if structures of germanium's width stand out: no scintillator can make them."""
    centres, counts = spectrum.centres_kev, np.where(spectrum.usable, spectrum.counts, 0)
    width = detector("hpge").fwhm_kev(np.maximum(centres, 20.0))
    channel_kev = np.gradient(centres)
    cumulative = np.concatenate([[0.0], np.cumsum(counts, dtype=float)])
    half = np.maximum(np.rint(width / channel_kev), 1).astype(int)
    here = np.arange(counts.size)
    low, high = here - half, here + half + 1
    inside = (low - 3 * half >= 0) & (high + 3 * half <= counts.size) & (centres > 40.0)
    here, low, high, half = here[inside], low[inside], high[inside], half[inside]
    peak = cumulative[high] - cumulative[low]
    sides = cumulative[high + 3 * half] - cumulative[low - 3 * half] - peak
    expected = sides * (2 * half + 1) / (6 * half)
    return bool(np.any(peak - expected > 10.0 * np.sqrt(expected + 10.0)))


def _group(
    spectrum: Spectrum, room: Spectrum | None, instrument: Detector, settings: Settings
) -> Grouped:
    edges = spectrum.edges_kev
    usable = np.flatnonzero(spectrum.usable)
    first, stop = int(usable[0]), int(usable[-1]) + 1
    counts = np.where(spectrum.usable, spectrum.counts, 0)[first:stop]
    edges = edges[first : stop + 1]
    own = None
    if room is not None:
        own = (_background_on(room, edges), room.live_time_s)
    centres = 0.5 * (edges[1:] + edges[:-1])
    width = instrument.fwhm_kev(np.maximum(centres, 10.0))
    lowest = settings.lowest_kev
    if instrument.crystal == "germanium":
        lowest = instrument.range_kev[0]
    return unmixing.group(counts, edges, width, lowest, spectrum.live_time_s, own, settings)


def _background_on(room: Spectrum, edges_kev: FloatArray) -> FloatArray:
    """Background counts on the spectrum's channels; shared by overlap where the axes differ."""
    counts = np.where(room.usable, room.counts, 0)
    return rebin(counts, room.edges_kev, edges_kev).counts


# --- the answer ----------------------------------------------------------------


@dataclass(frozen=True)
class _Shell:
    """What an answer holds whatever the fit says."""

    spectrum: Spectrum
    instrument: Detector
    origin: Literal["embedded", "file", "modelled"]
    method: str
    warnings: tuple[str, ...]

    def answer(
        self,
        templates: Library,
        settings: Settings,
        verdict: Verdict,
        warning: str = "",
        **more: Any,
    ) -> Identification:
        empty: dict[str, Any] = {
            "nuclides": (), "candidates": (), "not_detected": (), "unknown_probability": 0.0,
            "goodness_of_fit": None, "calibration": None,
        }  # fmt: skip
        return Identification(
            file=self.spectrum.source_file,
            spectrum=0,
            detector=self.instrument.name,
            live_time_s=self.spectrum.live_time_s,
            counts=self.spectrum.total_counts,
            verdict=verdict,
            background=self.origin,
            model=_model(templates, settings),
            method=self.method,
            warnings=self.warnings + ((warning,) if warning else ()),
            **(empty | more),
        )


def _model(templates: Library, settings: Settings) -> Model:
    text = f"{templates.sha256} {settings!r}"
    return Model("unmix", blackett.__version__, hashlib.sha256(text.encode()).hexdigest())


def _answer(
    shell: _Shell, unmixed: Unmixed, distance_mm: float | None, with_limits: bool
) -> Identification:
    t = unmixed.task
    found = tuple(
        _nuclide(unmixed, e, distance_mm) for e in unmixed.declared if e.name != CONTINUUM
    )
    continuum = any(e.name == CONTINUUM for e in unmixed.declared)
    peaks = evidence.unexplained_peaks(unmixed, 0.8 * UNKNOWN_SIGMA)
    strongest = peaks[0].significance_sigma if peaks else 0.0
    unknown = 0.99 if continuum else _logistic(0.5 * (strongest**2 - UNKNOWN_SIGMA**2))
    fit = unmixed.fit
    gain, offset = _line_through(t.data.edges_kev, fit.edges_kev)
    width = t.library.fwhm_kev(661.657, width_at(661.657, fit.width, fit.tilt))
    notes = []
    if unknown > 0.5 and continuum:
        notes.append("there is a continuum above background that no source in the library explains")
    elif unknown > 0.5:
        notes.append(f"nothing in the library explains a peak near {peaks[0].energy_kev:.0f} keV")
    verdict: Verdict = "background"
    if found:
        verdict = "identified"
    elif unknown > 0.5:
        verdict = "unknown"
    return shell.answer(
        t.library,
        t.settings,
        verdict,
        warning="; ".join(notes),
        nuclides=found,
        candidates=_candidates(unmixed),
        not_detected=_not_detected(unmixed) if with_limits else (),
        unknown_probability=round(unknown, 4),
        goodness_of_fit=evidence.goodness(unmixed),
        calibration=Calibration(gain, offset, 100.0 * width / 661.657),
    )


def _logistic(x: float) -> float:
    return 1.0 / (1.0 + math.exp(-min(max(x, -30.0), 30.0)))


def _line_through(stored: FloatArray, true: FloatArray) -> tuple[float, float]:
    """Gain and offset of the true energies over the stored ones between 30 keV and 2 MeV."""
    inside = (stored > 30.0) & (stored < 2000.0)
    gain, offset = np.polyfit(stored[inside], true[inside], 1)
    return float(gain), float(offset)


def _probability(ratio: float, needed: float) -> float:
    """Posterior probability: a source at its declaring limit has `DECLARED_FROM`."""
    return _logistic(0.5 * (ratio - needed) + math.log(DECLARED_FROM / (1.0 - DECLARED_FROM)))


def _nuclide(unmixed: Unmixed, found: unmixing.Evidence, distance_mm: float | None) -> NuclideFound:
    live = unmixed.task.data.live_time_s
    low, high = evidence.interval(unmixed, found.name)
    low, high = min(low, found.counts), max(high, found.counts)
    per_bq = _counts_per_decay(unmixed, found, distance_mm)
    activity, activity_interval = None, None
    if per_bq is not None:
        activity = found.counts / live / per_bq
        activity_interval = (low / live / per_bq, high / live / per_bq)
    return NuclideFound(
        nuclide=found.name,
        probability=round(_probability(found.ratio, unmixing.needed(unmixed.task, found.name)), 4),
        significance_sigma=math.sqrt(max(found.ratio, 0.0)),
        net_cps=found.counts / live,
        net_cps_interval_95=(low / live, high / live),
        activity_bq=activity,
        activity_bq_interval_95=activity_interval,
        lines=_lines(unmixed, found.name),
    )


def _amplitudes_of(unmixed: Unmixed, name: str) -> dict[int, float]:
    """Fitted counts of each library column of one source."""
    first = unmixing.n_room(unmixed.task)
    places = unmixing.columns_by_source(unmixed.task, unmixed.active)[name]
    return {unmixed.active[i]: float(unmixed.fit.amplitudes[first + i]) for i in places}


def _counts_per_decay(
    unmixed: Unmixed, found: unmixing.Evidence, distance_mm: float | None
) -> float | None:
    """Counts per decay at a distance, for the fitted mixture of looks."""
    if distance_mm is None:
        return None
    templates = unmixed.task.library
    amplitudes = _amplitudes_of(unmixed, found.name)
    decays = sum(a / templates.counts_per_decay_at(c, distance_mm) for c, a in amplitudes.items())
    return found.counts / decays if decays > 0 else None


def _lines(unmixed: Unmixed, name: str) -> tuple[evidence.LineEvidence, ...]:
    """The strongest lines of a source, those that overlap joined, by energy."""
    templates = unmixed.task.library
    amplitudes = _amplitudes_of(unmixed, name)
    total = max(sum(amplitudes.values()), 1e-9)
    energies, shares = templates.peaks_of(name)
    weights = np.array([amplitudes.get(c, 0.0) for c in templates.columns_of(name)]) / total
    share = weights @ shares
    shown = []
    for energy, part in _joined(energies, share, templates, unmixed.fit.width)[:MOST_LINES]:
        seen = evidence.line_evidence(unmixed, name, energy, part)
        if seen.significance_sigma >= 2.0:
            shown.append(seen)
    return tuple(sorted(shown, key=lambda line: line.energy_kev))


def _joined(
    energies: FloatArray, share: FloatArray, templates: Library, width: float
) -> list[tuple[float, float]]:
    """Lines closer than 0.6 FWHM as one, at their mean energy; strongest first."""
    left = dict(zip(energies.tolist(), share.tolist(), strict=True))
    groups = []
    while left:
        strongest = max(left, key=lambda e: left[e])
        near = [e for e in left if abs(e - strongest) < 0.6 * templates.fwhm_kev(strongest, width)]
        part = sum(left[e] for e in near)
        if part > 0:
            groups.append((sum(e * left[e] for e in near) / part, part))
        for e in near:
            del left[e]
    return sorted(groups, key=lambda g: -g[1])


def _candidates(unmixed: Unmixed) -> tuple[Candidate, ...]:
    """Sources that the score test would still like, and how likely they are."""
    t = unmixed.task
    best: dict[str, float] = {}
    present = {e.name for e in unmixed.declared}
    gains = unmixing.all_scores(unmixed) / unmixing.strain(t, unmixed.fit)
    gains[~unmixing.offered(t, with_continuum=False)] = 0.0
    for name, gain in zip(t.library.source_of, gains.tolist(), strict=True):
        if name not in present and name != CONTINUUM:
            best[name] = max(best.get(name, 0.0), gain)
    listed = [
        Candidate(name, round(min(_probability(g, unmixing.needed(t, name)), DECLARED_FROM), 4))
        for name, g in best.items()
    ]
    likely = [c for c in listed if c.probability >= 0.01]
    return tuple(sorted(likely, key=lambda c: -c.probability)[:MOST_CANDIDATES])


def _not_detected(unmixed: Unmixed) -> tuple[NotDetected, ...]:
    live = unmixed.task.data.live_time_s
    limits = evidence.limits(unmixed)
    return tuple(NotDetected(n, c / live) for n, c in sorted(limits.items()) if n != CONTINUUM)
