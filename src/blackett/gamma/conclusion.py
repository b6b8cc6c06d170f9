"""From a fitted mixture to an answer: rates, intervals, lines, candidates, limits, a verdict."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from blackett.gamma import evidence
from blackett.gamma import unmix as unmixing
from blackett.gamma.answer import (
    BackgroundOrigin,
    Calibration,
    Candidate,
    Identification,
    Model,
    NotDetected,
    NuclideFound,
    Verdict,
)
from blackett.gamma.certainty import Certainty, certainty, strangeness
from blackett.gamma.likelihood import width_at
from blackett.gamma.templates import CONTINUUM

if TYPE_CHECKING:
    from collections.abc import Mapping

    from blackett.arrays import FloatArray
    from blackett.gamma.detector import Detector
    from blackett.gamma.spectrum import Spectrum
    from blackett.gamma.templates import Library
    from blackett.gamma.unmix import Task, Unmixed

__all__ = [
    "MOST_CANDIDATES",
    "Shell",
    "beside_the_fit",
    "conclude",
    "logistic",
    "probabilities",
]

DECLARED_FROM = 0.5
"""A source that the fit needs is named from this probability on; else it is a candidate."""
UNKNOWN_SIGMA = 6.0
"""A peak that nothing explains makes the answer unknown from about this significance on."""
MOST_LINES, MOST_CANDIDATES = 6, 5


@dataclass(frozen=True)
class Shell:
    """What an answer holds whatever the method finds."""

    spectrum: Spectrum
    instrument: Detector
    origin: BackgroundOrigin
    method: str
    model: Model
    warnings: tuple[str, ...]

    def answer(self, verdict: Verdict, warning: str = "", **more: Any) -> Identification:
        """The record; fields that are not given in `more` are empty."""
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
            model=self.model,
            method=self.method,
            warnings=self.warnings + ((warning,) if warning else ()),
            **(empty | more),
        )


def conclude(
    shell: Shell, unmixed: Unmixed, distance_mm: float | None, with_limits: bool
) -> Identification:
    """The answer that a fit supports; with a distance in mm also activities."""
    t, fit = unmixed.task, unmixed.fit
    sure = {e.name: _probability(unmixed, e) for e in unmixed.declared if e.name != CONTINUUM}
    found = tuple(
        _nuclide(unmixed, e, sure[e.name], distance_mm)
        for e in unmixed.declared
        if sure.get(e.name, 0.0) >= DECLARED_FROM
    )
    doubted = {name: p for name, p in sure.items() if p < DECLARED_FROM}
    unknown, notes = _unknown(unmixed, doubted)
    gain, offset = _line_through(t.data.edges_kev, fit.edges_kev)
    width = float(t.library.fwhm_kev(661.657, width_at(661.657, fit.width, fit.tilt)))
    verdict: Verdict = "background"
    if found:
        verdict = "identified"
    elif unknown > 0.5:
        verdict = "unknown"
    return shell.answer(
        verdict,
        warning="; ".join(notes),
        nuclides=found,
        candidates=_candidates(unmixed, doubted),
        not_detected=_not_detected(unmixed) if with_limits else (),
        unknown_probability=round(unknown, 4),
        goodness_of_fit=evidence.goodness(unmixed),
        calibration=Calibration(gain, offset, 100.0 * width / 661.657),
    )


def _unknown(unmixed: Unmixed, doubted: Mapping[str, float]) -> tuple[float, list[str]]:
    """Probability of something that is not named, and what speaks for it.

    `doubted` are sources that the fit needs, with probabilities too small to name them.
    """
    if any(e.name == CONTINUUM for e in unmixed.declared):
        return 0.99, [
            "there is a continuum above background that no source in the library explains"
        ]
    peaks = evidence.unexplained_peaks(unmixed, 0.8 * UNKNOWN_SIGMA)
    strongest = peaks[0].significance_sigma if peaks else 0.0
    unknown = max(logistic(0.5 * (strongest**2 - UNKNOWN_SIGMA**2)), _strangeness(unmixed))
    if strongest > UNKNOWN_SIGMA:
        return unknown, [
            f"nothing in the library explains a peak near {peaks[0].energy_kev:.0f} keV"
        ]
    needed = unmixed.task.settings.needed
    proved = [e.name for e in unmixed.declared if e.name in doubted and e.ratio >= needed]
    if proved:
        like, other = " or ".join(proved), 1.0 - max(doubted[name] for name in proved)
        return max(unknown, other), [
            f"something is there that may be {like}, but others would do nearly as well"
        ]
    return unknown, []


def _strangeness(unmixed: Unmixed) -> float:
    """Probability that what the fit takes for a source is none that it knows; 0 without a network.

    A network that believes in no source that the fit needs, and a poor fit, speak for it.
    """
    t = unmixed.task
    proved = [e.name for e in unmixed.declared if e.ratio >= t.settings.needed]
    if t.told is None or not proved:
        return 0.0
    believed = max(t.told.logit.get(name, 0.0) for name in proved)
    return strangeness(believed, evidence.goodness(unmixed).deviance_per_dof)


def logistic(x: float) -> float:
    """1 / (1 + exp(-x)), without overflow."""
    return 1.0 / (1.0 + math.exp(-min(max(x, -30.0), 30.0)))


def _line_through(stored: FloatArray, true: FloatArray) -> tuple[float, float]:
    """Gain and offset of the true energies over the stored ones between 30 keV and 2 MeV."""
    inside = (stored > 30.0) & (stored < 2000.0)
    gain, offset = np.polyfit(stored[inside], true[inside], 1)
    return float(gain), float(offset)


def _certainty(t: Task) -> Certainty:
    return certainty("unmix" if t.told is None else "hybrid")


def beside_the_fit(t: Task, name: str) -> tuple[float, float]:
    """A network's logit of a source (0 where none was asked, or it does not know it), and the
    logarithm of its prior odds."""
    logit = 0.0 if t.told is None else t.told.logit.get(name, 0.0)
    return logit, t.library.log_prior_of(name)


def _probability(unmixed: Unmixed, found: unmixing.Evidence) -> float:
    """Probability that a source is there that the fit needs."""
    t = unmixed.task
    rival = unmixing.rival_ratio(unmixed.mixture, found.name)
    return _certainty(t).of_declared(found.ratio, rival, *beside_the_fit(t, found.name))


def _nuclide(
    unmixed: Unmixed, found: unmixing.Evidence, probability: float, distance_mm: float | None
) -> NuclideFound:
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
        probability=round(probability, 4),
        significance_sigma=math.sqrt(max(found.ratio, 0.0)),
        net_cps=found.counts / live,
        net_cps_interval_95=(low / live, high / live),
        activity_bq=activity,
        activity_bq_interval_95=activity_interval,
        lines=_lines(unmixed, found.name),
    )


def _amplitudes_of(unmixed: Unmixed, name: str) -> dict[int, float]:
    """Fitted counts of each library column of one source."""
    first, places = unmixed.mixture.first, unmixed.mixture.sources[name]
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
        reach = 0.6 * float(templates.fwhm_kev(strongest, width))
        near = [e for e in left if abs(e - strongest) < reach]
        part = sum(left[e] for e in near)
        if part > 0:
            groups.append((sum(e * left[e] for e in near) / part, part))
        for e in near:
            del left[e]
    return sorted(groups, key=lambda g: -g[1])


def probabilities(unmixed: Unmixed) -> dict[str, float]:
    """Probability of every source of the library that is offered, in the fit or not."""
    held = {e.name: _probability(unmixed, e) for e in unmixed.declared if e.name != CONTINUUM}
    return _beside(unmixed) | held


def _beside(unmixed: Unmixed) -> dict[str, float]:
    """Probabilities of the sources that are not in the fit, from what the score test promises."""
    t = unmixed.task
    of = _certainty(t).of_candidate
    return {n: of(gain, *beside_the_fit(t, n)) for n, gain in _gains(unmixed).items()}


def _gains(unmixed: Unmixed) -> dict[str, float]:
    """Gain in twice the log-likelihood by a score test, of each source that is not in the fit."""
    t = unmixed.task
    best: dict[str, float] = {}
    present = {e.name for e in unmixed.declared}
    gains = unmixed.mixture.scores / unmixed.mixture.strain
    inside = unmixing.offered(t, with_continuum=False)
    for column in np.flatnonzero(inside).tolist():
        name = t.library.source_of[column]
        if name not in present:
            best[name] = max(best.get(name, 0.0), float(gains[column]))
    return best


def _candidates(unmixed: Unmixed, doubted: Mapping[str, float]) -> tuple[Candidate, ...]:
    """The most probable sources that are not named."""
    listed = [Candidate(n, round(p, 4)) for n, p in (_beside(unmixed) | dict(doubted)).items()]
    likely = [c for c in listed if c.probability >= 0.01]
    return tuple(sorted(likely, key=lambda c: -c.probability)[:MOST_CANDIDATES])


def _not_detected(unmixed: Unmixed) -> tuple[NotDetected, ...]:
    live = unmixed.task.data.live_time_s
    limits = evidence.limits(unmixed)
    return tuple(NotDetected(n, c / live) for n, c in sorted(limits.items()) if n != CONTINUUM)
