"""Which radionuclides does this spectrum hold? The entry: detector, groups, method, answer.

`identify` chooses the detector, groups the spectrum and answers by one of `METHODS`:

* "unmix": the Poisson fit alone (`unmix`), with prior odds by how often owners meet a source;
* "net": a trained network alone (`network`), quick and without evidence;
* "hybrid": the fit, with prior odds by what the network makes of the spectrum (`hybrid`).

The answer is an `Identification` (`answer`), the same for the command line, the Python call and the
web page.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, overload

import numpy as np

import blackett
from blackett.errors import InputError
from blackett.gamma import unmix as unmixing
from blackett.gamma.answer import (
    DEFAULT_METHOD,
    METHODS,
    BackgroundOrigin,
    Calibration,
    Candidate,
    Identification,
    Model,
    NotDetected,
    NuclideFound,
)
from blackett.gamma.certainty import calibrated_for
from blackett.gamma.conclusion import Shell, conclude
from blackett.gamma.detector import Detector, detector, detector_for
from blackett.gamma.spectrum import Spectrum, rebin
from blackett.gamma.templates import library

if TYPE_CHECKING:
    from collections.abc import Sequence

    from blackett.arrays import FloatArray
    from blackett.gamma.network import Network
    from blackett.gamma.templates import Library
    from blackett.gamma.unmix import Grouped, Settings, Unmixed

__all__ = [
    "DEFAULT_METHOD",
    "METHODS",
    "Calibration",
    "Candidate",
    "Identification",
    "Model",
    "NotDetected",
    "NuclideFound",
    "choose_detector",
    "identify",
    "identify_with_fit",
]


@overload
def identify(
    spectrum: Spectrum, background: Spectrum | None = ..., method: str = ..., *,
    detector_name: str | None = ..., distance_mm: float | None = ..., with_limits: bool = ...,
    settings: Settings = ..., network: Network | None = ...,
) -> Identification: ...  # fmt: skip


@overload
def identify(
    spectrum: Sequence[Spectrum], background: Spectrum | None = ..., method: str = ..., *,
    detector_name: str | None = ..., distance_mm: float | None = ..., with_limits: bool = ...,
    settings: Settings = ..., network: Network | None = ...,
) -> list[Identification]: ...  # fmt: skip


def identify(
    spectrum: Spectrum | Sequence[Spectrum],
    background: Spectrum | None = None,
    method: str = DEFAULT_METHOD,
    *,
    detector_name: str | None = None,
    distance_mm: float | None = None,
    with_limits: bool = False,
    settings: Settings = unmixing.DEFAULT,
    network: Network | None = None,
) -> Identification | list[Identification]:
    """Identify the nuclides in one spectrum, or in each of several (all that a file holds).

    `background` replaces one embedded in the spectrum. `detector_name` is needed where the file
    does not name its instrument; `distance_mm`, from source to the crystal's centre, turns rates
    into activities; `with_limits` adds the detection limit of every source not declared. `network`
    replaces the shipped one in the methods that use one.
    Raises InputError for an unknown method or detector, an uncalibrated spectrum, a background
    recorded on another kind of axis, or what only a fit can tell asked of a network; and
    FileFormatError where a network is asked for and its weights are missing or broken.
    """
    spectra = [spectrum] if isinstance(spectrum, Spectrum) else spectrum
    found = [
        replace(
            identify_with_fit(
                one, background, method, detector_name=detector_name, distance_mm=distance_mm,
                with_limits=with_limits, settings=settings, network=network,
            )[0],
            spectrum=number,
        )
        for number, one in enumerate(spectra)
    ]  # fmt: skip
    return found[0] if isinstance(spectrum, Spectrum) else found


def identify_with_fit(
    spectrum: Spectrum,
    background: Spectrum | None = None,
    method: str = DEFAULT_METHOD,
    *,
    detector_name: str | None = None,
    distance_mm: float | None = None,
    with_limits: bool = False,
    settings: Settings = unmixing.DEFAULT,
    network: Network | None = None,
) -> tuple[Identification, Unmixed | None]:
    """As `identify`, with the fit behind the answer: None where there were too few counts, or for a
    network's own answer."""
    _check(method, distance_mm, with_limits)
    instrument, notes = choose_detector(spectrum, detector_name)
    method, more = _possible(method, instrument)
    room = background if background is not None else spectrum.background
    origin: BackgroundOrigin = "file" if background else "embedded"
    if room is None:
        origin = "modelled"
    templates = library(instrument.name)
    grouped = _group(spectrum, room, instrument, settings)
    if method != "unmix" and network is None:
        network = shipped_network()
    if method == "hybrid" and network is not None and network.sha256 != calibrated_for():
        more += (f"probabilities were calibrated for another network than {network.name}",)
    model = _model(method, templates, settings, network)
    shell = Shell(spectrum, instrument, origin, method, model, (*spectrum.warnings, *notes, *more))
    if grouped.counts.sum() < settings.fewest_counts:
        few = f"only {int(grouped.counts.sum())} counts: too few to say anything"
        return shell.answer("insufficient", warning=few), None
    t = unmixing.task(grouped, templates, settings)
    if method != "unmix" and network is not None:
        from blackett.gamma import hybrid

        told = network.predict([spectrum.with_background(room)], instrument.name)
        if method == "net":
            return hybrid.conclude_alone(shell, told), None
        t = hybrid.with_odds(t, told)
    unmixed = unmixing.unmix(t)
    return conclude(shell, unmixed, distance_mm, with_limits), unmixed


def _check(method: str, distance_mm: float | None, with_limits: bool) -> None:
    if method not in METHODS:
        raise InputError(f"method {method!r} is not one of {', '.join(METHODS)}")
    if distance_mm is not None and not 1.0 <= distance_mm <= 1e5:
        raise InputError(f"distance {distance_mm:g} mm is not between 1 mm and 100 m")
    if method == "net" and (distance_mm is not None or with_limits):
        raise InputError(
            "activities and detection limits need a fit, which method 'net' has not: "
            "use 'hybrid' or 'unmix'"
        )


def _possible(method: str, instrument: Detector) -> tuple[str, tuple[str, ...]]:
    """The method for an instrument, with a note where a network knows nothing of it."""
    if method == "unmix":
        return method, ()
    from blackett.gamma.preparation import DETECTORS

    if instrument.name in DETECTORS:
        return method, ()
    if method == "net":
        raise InputError(
            f"no network was trained for {instrument.name}: use method 'unmix', or say which "
            "RadiaCode it is"
        )
    return "unmix", (
        f"the network was not trained for {instrument.name}: answered by unmixing alone",
    )


@cache
def shipped_network() -> Network:
    """The network that comes with the package, loaded once."""
    from blackett.gamma.network import load

    return load()


def _model(method: str, templates: Library, settings: Settings, network: Network | None) -> Model:
    """What answers; the hash is over the templates, the settings and the network, as used."""
    if method == "net" and network is not None:
        return Model(network.name, blackett.__version__, network.sha256)
    name, made_of = "unmix", f"{templates.sha256} {settings!r}"
    if method == "hybrid" and network is not None:
        name, made_of = f"unmix with {network.name}", f"{made_of} {network.sha256}"
    return Model(name, blackett.__version__, hashlib.sha256(made_of.encode()).hexdigest())


# --- detector and groups ---------------------------------------------------------


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
