"""What `blackett gamma VERB` does. Each verb yields what to show (see `blackett.cli`)."""

from __future__ import annotations

import json
from collections.abc import Iterator  # noqa: TC003 (tyro reads the signatures)
from dataclasses import replace
from pathlib import Path  # noqa: TC003
from typing import TYPE_CHECKING, Annotated, Any

from tyro.conf import Positional, UseAppendAction, arg

from blackett.errors import BlackettError, Failure, InputError
from blackett.gamma.answer import DEFAULT_METHOD

if TYPE_CHECKING:
    from blackett.gamma.detector import Detector
    from blackett.gamma.identification import Identification
    from blackett.gamma.network import Network
    from blackett.gamma.scene import Scene
    from blackett.gamma.spectrum import Spectrum
    from blackett.gamma.unmix import Unmixed

__all__ = ["identify", "response", "sources"]


def identify(
    files: Positional[tuple[Path, ...]],
    /,
    background: Path | None = None,
    as_json: Annotated[bool, arg(name="json")] = False,
    plot: Path | None = None,
    limits: bool = False,
    detector: str | None = None,
    distance_mm: float | None = None,
    live_time_s: float | None = None,
    calibration_kev: tuple[float, ...] | None = None,
    method: str = DEFAULT_METHOD,
    network: Path | None = None,
) -> Iterator[Any]:
    """Name the radionuclides in spectrum files.

    Args:
        files: Spectra: RadiaCode or BecqMoni XML, rcspg, N42, SPE, CSV, NPESv2 JSON, and others.
        background: A spectrum of the background; replaces one embedded in the file.
        as_json: One JSON object for each spectrum and line, and nothing else, on stdout.
        plot: Folder for a picture of each answer.
        limits: Add the detection limit of every source that is not declared.
        detector: The instrument, where the file does not name it (radiacode-103, hpge, ...).
        distance_mm: Distance from source to crystal: gives activities in Bq.
        live_time_s: Live time, used where the file states none.
        calibration_kev: Energy axis a0 a1 [a2 ...], keV at the centre of channel c, where the file
            has none or a wrong one.
        method: How to identify: hybrid (a network proposes, a fit of the whole spectrum decides),
            unmix (the fit alone), or net (the network alone: quick, no lines, no picture).
        network: Another network than the shipped one: an ONNX file of blackett gamma train.
    """
    if not files:
        raise InputError("no file given: blackett gamma identify FILE [FILE ...]")
    if method == "net" and plot is not None:
        raise InputError("a picture shows a fit, which method net has not: use hybrid or unmix")
    room = _one_spectrum(background, live_time_s) if background is not None else None
    other = _network(network) if network is not None else None
    for file in files:
        try:
            spectra = _read(file, live_time_s)
            for number, spectrum in enumerate(_calibrated(spectra, calibration_kev)):
                found, unmixed = _identified(
                    spectrum, room, number, str(file), detector_name=detector,
                    distance_mm=distance_mm, with_limits=limits, method=method, network=other,
                )  # fmt: skip
                if plot is not None and unmixed is not None:
                    _save_picture(found, unmixed, plot, file)
                yield json.dumps(found.to_dict()) if as_json else _table(found)
        except BlackettError as error:
            if as_json:
                yield json.dumps({"file": str(file), "error": str(error)})
            yield Failure("" if as_json else str(error))


def _read(file: Path, live_time_s: float | None) -> list[Spectrum]:
    from blackett.gamma import formats

    return formats.read(file, live_time_s=live_time_s)


def _calibrated(
    spectra: list[Spectrum], coefficients_kev: tuple[float, ...] | None
) -> list[Spectrum]:
    """The spectra, and backgrounds embedded in them, on the axis given by hand, if one is."""
    if coefficients_kev is None:
        return spectra
    from blackett.gamma.calibration import EnergyCalibration

    axis = EnergyCalibration(coefficients_kev)
    made = []
    for spectrum in spectra:
        room = spectrum.background.recalibrate(axis) if spectrum.background else None
        made.append(spectrum.recalibrate(axis).with_background(room))
    return made


def _one_spectrum(file: Path, live_time_s: float | None) -> Spectrum:
    spectra = _read(file, live_time_s)
    if len(spectra) != 1:
        raise InputError(f"{file} holds {len(spectra)} spectra: a background must be one")
    return spectra[0]


def _network(file: Path) -> Network:
    from blackett.gamma.network import load

    return load(file)


def _identified(
    spectrum: Spectrum, room: Spectrum | None, number: int, file: str, **options: Any
) -> tuple[Identification, Unmixed | None]:
    from blackett.gamma.identification import identify_with_fit

    found, unmixed = identify_with_fit(spectrum, room, **options)
    return replace(found, spectrum=number, file=file), unmixed


def _table(found: Identification) -> Any:
    from blackett.gamma.table import as_table

    return as_table(found)


def _save_picture(found: Identification, unmixed: Unmixed, folder: Path, file: Path) -> None:
    from blackett.gamma.picture import save

    suffix = f"-{found.spectrum}" if found.spectrum else ""
    save(found, unmixed, folder / f"{file.stem}{suffix}.png")


def response(
    energy_kev: float,
    detector: str = "radiacode-103",
    distance_mm: float | None = None,
    bare: bool = False,
    photons: int = 200_000,
    seed: int = 1,
    surroundings: str | None = None,
    shield: UseAppendAction[tuple[str, ...]] = (),
    extended: str | None = None,
    as_json: Annotated[bool, arg(name="json")] = False,
) -> Iterator[Any]:
    """Show what a detector makes of photons of one energy.

    With --bare: energy left in the naked crystal in vacuum by a point source on its axis, for each
    photon that enters the front face, before resolution (Monte Carlo). Without: counts expected in
    each channel of a unit in the middle of all spreads, for each photon that the source emits in
    its scene, with housing, scatter, resolution and threshold (from the shipped tables).

    Args:
        energy_kev: Energy of the photons, 10 to 3000 keV.
        detector: The instrument (radiacode-103, hpge, ...).
        distance_mm: From the source to the crystal's front face (--bare) or to its centre; 50 mm
            when left out.
        bare: The naked crystal instead of the whole scene.
        photons: Photons to simulate, with --bare.
        seed: Reproduces the simulation, with --bare.
        surroundings: What scatters around the scene: open, bench, desk, floor or room; bench when
            left out.
        shield: A layer between source and detector, such as lead:3 for 3 mm; may be repeated, from
            the source outwards.
        extended: A source with a size instead of a point: jar, rock, mineral, ore, ...
        as_json: One JSON object instead of text.
    """
    from blackett.gamma.detector import detector as detector_named

    instrument = detector_named(detector)
    if bare:
        if surroundings is not None or shield or extended is not None:
            raise InputError("--bare has no scene: leave out --surroundings, --shield, --extended")
        before_face_mm = 50.0 if distance_mm is None else distance_mm
        record = _bare(instrument, energy_kev, before_face_mm, photons, seed)
    else:
        scene = _scene(distance_mm, surroundings, shield, extended)
        record = _channels(instrument, energy_kev, scene)
    simulated = photons if bare else 0
    yield json.dumps(record) if as_json else _response_text(record, energy_kev, simulated)


def _bare(
    instrument: Detector, energy_kev: float, distance_mm: float, photons: int, seed: int
) -> dict[str, Any]:
    from blackett.gamma.response import bare_response
    from blackett.seeds import generator

    made = bare_response(instrument, energy_kev, distance_mm, photons, generator(seed))
    return {
        "edges_kev": made.edges_kev.tolist(),
        "per_entering_photon": made.per_entering_photon.tolist(),
        "full_energy": made.full_energy,
        "total": made.total,
    }


def _scene(
    distance_mm: float | None,
    surroundings: str | None,
    shield: tuple[str, ...],
    extended: str | None,
) -> Scene:
    from blackett.gamma.scene import Scene

    if distance_mm is None and extended is None:
        distance_mm = 50.0
    return Scene(distance_mm, tuple(map(_shield, shield)), surroundings or "bench", extended)


def _shield(text: str) -> tuple[str, float]:
    material, _, thickness = text.rpartition(":")
    try:
        return material.strip(), float(thickness)
    except ValueError:
        raise InputError(f"shield {text!r} is not MATERIAL:MM, such as lead:3") from None


def _channels(instrument: Detector, energy_kev: float, scene: Scene) -> dict[str, Any]:
    """Expected counts in each channel per emitted photon; the last channel is the overflow."""
    import numpy as np

    from blackett.gamma.calibration import EnergyCalibration
    from blackett.gamma.folding import deposited, peak_counts
    from blackett.gamma.simulation import BINS, expected_counts, nominal_unit

    energy, one = np.array([energy_kev]), np.ones(1)
    unit = nominal_unit(instrument)
    rate = deposited(energy, one, scene, instrument, BINS)  # counts/s at one photon a second
    counts, live_time_s = expected_counts(rate, unit, 1.0)
    centres = EnergyCalibration(unit.coefficients_kev).energy_kev(np.arange(unit.channels))
    return {
        "energies_kev": centres.tolist(),
        "per_emitted_photon": (counts / live_time_s).tolist(),
        "full_energy": float(peak_counts(instrument, scene, energy, one)[0]),
        "total": float(counts.sum() / live_time_s),
    }


def _response_text(record: dict[str, Any], energy_kev: float, simulated: int) -> str:
    """Full energy, total, and the spectrum in bars; `simulated` photons, 0 for tables."""
    per = "entering photon" if simulated else "emitted photon"
    energies, counts = (
        (record["edges_kev"][:-1], record["per_entering_photon"])
        if simulated
        else (record["energies_kev"][:-1], record["per_emitted_photon"][:-1])  # less the overflow
    )
    lines = [
        f"{energy_kev:g} keV, counts per {per}",
        f"  full energy {_share(record['full_energy'], simulated)}",
        f"  any energy  {_share(record['total'], simulated)}",
        "",
    ]
    return "\n".join(lines + _bars(energies, counts, 1.1 * energy_kev))


def _share(value: float, simulated: int) -> str:
    """A share with its binomial standard error, if it was simulated."""
    error = (value * (1.0 - value) / simulated) ** 0.5 if simulated else 0.0
    return f"{value:.4g}" + (f" +- {error:.2g}" if simulated else "")


def _bars(energies_kev: list[float], counts: list[float], highest_kev: float) -> list[str]:
    """Sums over 30 equal bins with bars of at most 50 characters."""
    import numpy as np

    sums, edges = np.histogram(energies_kev, 30, (0.0, highest_kev), weights=counts)
    most = max(float(sums.max()), 1e-300)
    return [
        f"  {low:6.0f} - {high:4.0f} keV  {value:9.3g}  {'#' * round(50 * value / most)}".rstrip()
        for low, high, value in zip(edges[:-1], edges[1:], sums, strict=True)
    ]


def sources(
    name: Positional[str | None] = None, /, as_json: Annotated[bool, arg(name="json")] = False
) -> Iterator[Any]:
    """List the reportable sources, or one of them with its lines.

    Args:
        name: A source, such as Cs-137; all of them when left out.
        as_json: JSON instead of tables.
    """
    from blackett.gamma import sources as registry

    chosen = registry.sources() if name is None else (registry.source(name),)
    for source in chosen:
        table = source.lines()
        record: dict[str, Any] = {
            "source": source.name, "title": source.title, "category": source.category,
            "observable": source.observable, "members": dict(source.members),
        }  # fmt: skip
        if name is not None:
            record["lines"] = [
                {"energy_kev": e, "photons_per_decay": i, "kind": k, "emitter": m}
                for e, i, k, m in zip(
                    table.energy_kev.tolist(), table.photons_per_decay.tolist(), table.kind,
                    table.emitter, strict=True,
                )
            ]  # fmt: skip
        yield json.dumps(record) if as_json else _source_text(record)


def _source_text(record: dict[str, Any]) -> str:
    seen = "" if record["observable"] else " (no photon to see)"
    text = f"{record['source']:<8} {record['title']} [{record['category']}]{seen}"
    for line in record.get("lines", []):
        text += (
            f"\n  {line['energy_kev']:9.3f} keV  {100 * line['photons_per_decay']:9.4f} %  "
            f"{line['kind']:<12} {line['emitter']}"
        )
    return text
