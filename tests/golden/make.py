"""One synthetic recording in every format; `python tests/golden/make.py` rewrites the files here.

The counts are drawn once from a seeded generator: a falling continuum and one line, no measured
data. Written by blackett's own writers, except the two spectrograms and the 2006 form of N42, which
blackett only reads and which are put together here from their published description.
"""

from __future__ import annotations

import json
import struct
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np

from blackett.gamma.calibration import EnergyCalibration
from blackett.gamma.formats.csv_text import write_csv
from blackett.gamma.formats.n42 import write_n42
from blackett.gamma.formats.npes import write_npes
from blackett.gamma.formats.radiacode_xml import write_xml
from blackett.gamma.formats.spe import write_spe
from blackett.gamma.spectrum import Spectrum

FOLDER = Path(__file__).parent
AXIS = EnergyCalibration((-6.25, 9.4375, 0.0078125))
N_ROWS, ROW_S = 4, 60


def draw(rng: np.random.Generator, seconds: int, line: float) -> np.ndarray:
    channels = np.arange(256)
    rate = 0.3 * np.exp(-channels / 40) + line * np.exp(-0.5 * ((channels - 69) / 2.5) ** 2)
    counts = rng.poisson(rate * seconds)
    counts[-1] = 17
    return counts


def recording() -> Spectrum:
    """A RadiaCode-103 spectrum of 600 s with a background of 3600 s."""
    rng = np.random.default_rng(662)
    shared = {"device": "RadiaCode-103", "serial": "RC-103-000000", "overflow_channel": 255}
    start = datetime(2026, 1, 2, 3, 4, 5)
    main, back = draw(rng, 600, 0.2), draw(rng, 3600, 0.0)
    background = Spectrum(
        main * 0 + back, AXIS, 3600 - 5e-6 * back.sum(), 3600, name="table, no source", **shared
    )
    return Spectrum(
        main,
        AXIS,
        600 - 5e-6 * int(main.sum()),
        600,
        start=start,
        name="synthetic <line> & continuum",
        comment="drawn, not measured",
        background=background,
        **shared,
    )


def rows() -> np.ndarray:
    rng = np.random.default_rng(40)
    return np.stack([draw(rng, ROW_S, 0.1) for _ in range(N_ROWS)])


def android() -> str:
    """Line 2 holds counts that must not be read; the last row has its trailing zeros cut."""
    table = rows()
    table[-1, 200:] = 0
    dump = struct.pack("<I3f256I", 99_999, *AXIS.coefficients_kev, *range(1000, 1256))
    ticks = 133_000_000_000_000_000
    head = (
        f"Spectrogram: synthetic\tTime: 2022-06-19 00:26:40\tTimestamp: {ticks}\t"
        f"Accumulation time: {N_ROWS * ROW_S}\tChannels: 256\tDevice serial: RC-103-000000\t"
        "Flags: 0\tComment: drawn"
    )
    lines = [head, "Spectrum: " + dump.hex(" ").upper()]
    for i, row in enumerate(table, start=1):
        kept = row[:200] if i == N_ROWS else row
        lines.append("\t".join(map(str, [ticks + i * ROW_S * 10**7, ROW_S, *kept])))
    return "\n".join(lines) + "\n"


def ios() -> str:
    entries = [
        {"pulses": row.tolist(), "collectTime": ROW_S, "timestamp": 1_655_598_400_000 + 60_000 * i}
        for i, row in enumerate(rows())
    ]
    return json.dumps(
        {
            "channelCount": 256,
            "coefficients": list(AXIS.coefficients_kev),
            "startTimeTimestamp": 1_655_598_400_000,
            "spectrums": entries,
        }
    )


def n42_2006() -> str:
    spectrum = recording()
    words = " ".join(map(str, spectrum.counts.tolist()))
    values = " ".join(map(repr, AXIS.coefficients_kev))
    return (
        '<?xml version="1.0"?>\n'
        '<N42InstrumentData xmlns="http://physics.nist.gov/Divisions/Div846/Gp4/ANSIN4242/2005/'
        'ANSIN4242"><Measurement><InstrumentInformation><InstrumentModel>RadiaCode-103'
        "</InstrumentModel><InstrumentID>RC-103-000000</InstrumentID></InstrumentInformation>"
        "<Spectrum><StartTime>2026-01-02T03:04:05</StartTime><RealTime>PT10M</RealTime>"
        "<LiveTime>PT599.5S</LiveTime><SourceType>Item</SourceType>"
        '<Calibration Type="Energy" EnergyUnits="keV"><Equation Model="Polynomial">'
        f"<Coefficients>{values}</Coefficients></Equation></Calibration>"
        f"<ChannelData>{words}</ChannelData></Spectrum></Measurement></N42InstrumentData>\n"
    )


def plain_csv() -> str:
    """Energies and counts with times in the first two channels, as some spectrum servers give."""
    counts = recording().counts.copy()
    counts[:5] = [600, 603, 0, 0, 3]
    return "energy_keV,counts\n" + "".join(
        f"{e:.2f},{n}\n" for e, n in zip(AXIS.energy_kev(np.arange(256)), counts, strict=True)
    )


def golden_files() -> dict[str, bytes]:
    """Name and content of every golden file."""
    both = recording()
    alone = both.with_background(None)
    texts = {
        "recording.xml": write_xml([both, alone]),
        "recording.n42": write_n42([both]),
        "recording.spe": write_spe([alone]),
        "recording.csv": write_csv([both]),
        "recording.json": write_npes([replace(both, start=None), alone]),
        "android.rcspg": android(),
        "ios.rcspg": ios(),
        "form2006.n42": n42_2006(),
        "plain.csv": plain_csv(),
    }
    return {name: text.encode("utf-8") for name, text in texts.items()}


if __name__ == "__main__":
    for name, data in golden_files().items():
        (FOLDER / name).write_bytes(data)
