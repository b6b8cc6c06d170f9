"""What `blackett gamma VERB` does. Each verb is a generator of what to show (see `blackett.cli`)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from tyro.conf import Positional, arg

from blackett.errors import BlackettError, Failure, InputError

if TYPE_CHECKING:
    from blackett.gamma.identification import Identification
    from blackett.gamma.spectrum import Spectrum
    from blackett.gamma.unmix import Unmixed

__all__ = ["identify", "sources"]


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
    method: str = "unmix",
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
        method: How to identify: unmix.
    """
    if not files:
        raise InputError("no file given: blackett gamma identify FILE [FILE ...]")
    room = _one_spectrum(background, live_time_s) if background is not None else None
    for file in files:
        try:
            spectra = _read(file, live_time_s)
            for number, spectrum in enumerate(spectra):
                found, unmixed = _identified(
                    spectrum, room, number, str(file), detector, distance_mm, limits, method
                )
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


def _one_spectrum(file: Path, live_time_s: float | None) -> Spectrum:
    spectra = _read(file, live_time_s)
    if len(spectra) != 1:
        raise InputError(f"{file} holds {len(spectra)} spectra: a background must be one")
    return spectra[0]


def _identified(
    spectrum: Spectrum, room: Spectrum | None, number: int, file: str, detector: str | None,
    distance_mm: float | None, limits: bool, method: str,
) -> tuple[Identification, Unmixed | None]:  # fmt: skip
    from blackett.gamma.identification import identify_with_fit

    found, unmixed = identify_with_fit(
        spectrum, room, method, detector_name=detector, distance_mm=distance_mm, with_limits=limits
    )
    return replace(found, spectrum=number, file=file), unmixed


def _table(found: Identification) -> Any:
    from blackett.gamma.table import as_table

    return as_table(found)


def _save_picture(found: Identification, unmixed: Unmixed, folder: Path, file: Path) -> None:
    from blackett.gamma.picture import save

    suffix = f"-{found.spectrum}" if found.spectrum else ""
    save(found, unmixed, folder / f"{file.stem}{suffix}.png")


def sources(name: Positional[str | None] = None, /, as_json: Annotated[bool, arg(name="json")] = False) -> Iterator[Any]:
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
