"""Measured files, where they are at hand, and SandiaSpecUtils as an independent reader."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from blackett.errors import FileFormatError, MissingExtraError
from blackett.gamma.calibration import EnergyCalibration
from blackett.gamma.formats import read, read_bytes, read_spectrogram, write
from blackett.gamma.formats import specutils as others
from blackett.gamma.spectrum import Spectrum
from golden.make import FOLDER, recording


@pytest.fixture(scope="module")
def index(shared_dir: Path) -> list[dict[str, str]]:
    path = shared_dir / "data" / "real-dev" / "index.csv"
    if not path.is_file():
        pytest.skip("needs the measured spectra in ../shared/data/real-dev, absent here")
    with path.open(encoding="utf-8", newline="") as file:
        rows = [row | {"path": str(path.parent / row["file"])} for row in csv.DictReader(file)]
    assert len(rows) == 61
    return rows


@pytest.fixture(scope="module")
def measured(index: list[dict[str, str]]) -> list[tuple[dict[str, str], Spectrum]]:
    """Every row of the index with its one spectrum."""
    found = [(row, read(row["path"])) for row in index]
    assert all(len(spectra) == 1 for _, spectra in found)
    return [(row, spectra[0]) for row, spectra in found]


Measured = list[tuple[dict[str, str], Spectrum]]


def test_all_measured_files_agree_with_their_index(measured: Measured) -> None:
    for row, one in measured:
        assert one.total_counts == int(row["total_counts"]), row["file"]
        assert one.n_channels == int(row["n_channels"]), row["file"]
        assert (one.background is not None) == (row["has_background"] == "y"), row["file"]


def test_measured_times_agree_with_the_index(measured: Measured) -> None:
    """The index lists MeasurementTime, a real time, for XML and rcspg; we take dead time off."""
    for row, one in measured:
        listed = float(row["live_time_s"])
        if one.live_time_rule == "real time less 5 us a count":
            assert one.real_time_s == listed, row["file"]
            assert one.live_time_s == pytest.approx(listed - 5e-6 * one.total_counts)
        else:
            assert one.live_time_s == pytest.approx(listed, abs=0.01), row["file"]
        assert one.live_time_s == pytest.approx(listed, rel=0.0075), row["file"]


def test_measured_axes_agree_with_the_index(measured: Measured) -> None:
    for row, one in measured:
        if not row["a0"]:
            assert one.calibration is None, row["file"]
            continue
        listed = EnergyCalibration(tuple(float(row[a]) for a in ("a0", "a1", "a2")))
        assert np.allclose(one.edges_kev, listed.edges_kev(one.n_channels), rtol=2e-6, atol=1e-4)


def test_radiacode_files_know_their_model_and_overflow(measured: Measured) -> None:
    seen = set()
    for row, one in measured:
        known = row["file"].startswith("radiacode/")
        assert (one.overflow_channel == one.n_channels - 1) == known, row["file"]
        if known:
            assert row["detector"].startswith(one.device)
            seen.add(one.device)
    assert seen == {"RadiaCode-101", "RadiaCode-102", "RadiaCode-103", "RadiaCode-110"}


def test_the_same_recording_in_two_formats(index: list[dict[str, str]]) -> None:
    paths = {Path(row["path"]).name: row["path"] for row in index}
    [xml], [n42] = read(paths["data_am241.xml"]), read(paths["data_am241.n42"])
    assert np.array_equal(xml.counts, n42.counts)
    assert np.allclose(xml.edges_kev, n42.edges_kev)
    assert (xml.device, xml.serial, xml.name) == (n42.device, n42.serial, n42.name)


def test_the_measured_spectrogram(index: list[dict[str, str]]) -> None:
    [path] = [row["path"] for row in index if row["format"] == "rcspg"]
    rows = read_spectrogram(path)
    assert rows.counts.shape == (690, 1024)
    assert rows.seconds.sum() == 43_510
    assert rows.counts.sum() == 249_362
    steps = np.diff([t.timestamp() for t in rows.end])
    assert np.all(steps > 0)


@pytest.mark.parametrize("form", ["xml", "n42", "csv"])
def test_measured_files_survive_writing(form: str, measured: Measured, tmp_path: Path) -> None:
    for row, one in measured[::4]:
        if one.masked_channels and form != "csv":
            continue
        write(tmp_path / "a", one.with_background(None), form)
        [again] = read(tmp_path / "a")
        assert np.array_equal(again.counts, one.counts)
        for field in ("calibration", "live_time_s", "real_time_s", "device", "serial", "start"):
            assert getattr(again, field) == getattr(one, field), (row["file"], field)


# -- SandiaSpecUtils -----------------------------------------------------------------------------

_ORACLE = """
import json, os, sys
out = os.dup(1); os.dup2(2, 1)
import SpecUtils
replies = []
for path in sys.argv[1:]:
    file = SpecUtils.SpecFile()
    file.loadFile(path, SpecUtils.ParserType.Auto)
    replies.append([[list(m.gammaCounts()), m.liveTime(), m.realTime(), list(m.calibrationCoeffs())]
                    for m in file.measurements()])
with os.fdopen(out, "w") as pipe:
    json.dump(replies, pipe)
"""


def oracle(paths: list[str]) -> Any:
    pytest.importorskip("SpecUtils", reason="needs SandiaSpecUtils")
    done = subprocess.run(
        [sys.executable, "-c", _ORACLE, *paths], capture_output=True, check=True, timeout=120
    )
    return json.loads(done.stdout)


def agrees(path: str, theirs: list[Any]) -> None:
    mine = [s for one in read(path) for s in (one, one.background) if s is not None]
    assert len(mine) == len(theirs), path
    mine.sort(key=lambda one: one.total_counts)  # theirs are sorted by time
    theirs.sort(key=lambda one: sum(one[0]))
    for one, (counts, live_s, real_s, coefficients) in zip(mine, theirs, strict=True):
        assert counts == one.counts.tolist(), path
        # a model name in CDATA is not known to them as a RadiaCode: no dead time is taken off
        unknown = b"<Name><![CDATA[RadiaCode" in Path(path).read_bytes()
        want_s = one.real_time_s if unknown else one.live_time_s
        assert live_s == pytest.approx(want_s, rel=1e-6), path
        if one.real_time_s is not None:
            assert real_s == pytest.approx(one.real_time_s, rel=1e-6), path
        if isinstance(one.calibration, EnergyCalibration):
            mine_kev = [a for a in one.calibration.coefficients_kev if a]
            assert [a for a in coefficients if a] == pytest.approx(mine_kev, rel=1e-6), path


def test_specutils_reads_what_we_write() -> None:
    paths = [str(FOLDER / f"recording.{form}") for form in ("xml", "n42", "spe")]
    for path, theirs in zip(paths, oracle(paths), strict=True):
        agrees(path, theirs)


def test_specutils_agrees_on_measured_files(index: list[dict[str, str]]) -> None:
    paths = [
        row["path"]
        for row in index
        if row["format"] in ("radiacode-xml", "n42-2011", "n42", "spe-iaea")
    ]
    assert len(paths) >= 40
    for path, theirs in zip(paths, oracle(paths), strict=True):
        agrees(path, theirs)


def pcf(folder: Path) -> Path:
    """The golden recording as PCF, a binary format of which blackett has no reader."""
    pytest.importorskip("SpecUtils", reason="needs SandiaSpecUtils")
    path = folder / "recording.pcf"
    program = (
        "import SpecUtils, sys\nf = SpecUtils.SpecFile()\n"
        "f.loadFile(sys.argv[1], SpecUtils.ParserType.Auto)\n"
        "f.writeToFile(sys.argv[2], list(f.sampleNumbers()), list(f.detectorNames()),"
        " SpecUtils.SaveSpectrumAsType.Pcf)\n"
    )
    command = [sys.executable, "-c", program, str(FOLDER / "recording.n42"), str(path)]
    subprocess.run(command, capture_output=True, check=True, timeout=60)
    return path


def test_other_formats_are_read_through_specutils(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    [one] = read(pcf(tmp_path))
    want = recording()
    assert np.array_equal(one.counts, want.counts)
    assert one.live_time_s == pytest.approx(want.live_time_s, rel=1e-6)
    # PCF stores a full range fraction, whose edges SandiaSpecUtils gives: half a channel from ours
    assert want.calibration is not None
    assert np.allclose(one.edges_kev, want.calibration.energy_kev(np.arange(257)))
    assert one.background is not None
    assert np.array_equal(one.background.counts, want.background.counts)
    assert "read by SandiaSpecUtils" in one.warnings
    assert capfd.readouterr() == ("", "")


def test_specutils_cannot_take_us_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("SpecUtils", reason="needs SandiaSpecUtils")
    data = pcf(tmp_path).read_bytes()
    for broken in (data[:300], data[:257] + b"\xff" * 500, bytes(range(256)) * 20):
        with pytest.raises(FileFormatError):
            read_bytes(broken, "broken.pcf")
    monkeypatch.setattr(others, "_PROGRAM", "import os; os.abort()")
    with pytest.raises(FileFormatError, match="no format that"):
        read_bytes(data, "x.pcf")
    monkeypatch.setattr(others, "_PROGRAM", "import time; time.sleep(60)")
    monkeypatch.setattr(others, "TIME_LIMIT_S", 0.2)
    with pytest.raises(FileFormatError, match=r"more than 0\.2 s"):
        read_bytes(data, "x.pcf")


def test_without_specutils_the_message_names_the_install_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(others.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'blackett\[formats\]'"):
        others.read_other(b"\1\2\3", "x")
    with pytest.raises(FileFormatError, match=r"pip install 'blackett\[formats\]'"):
        read_bytes(b"\1\2\3", "x")
