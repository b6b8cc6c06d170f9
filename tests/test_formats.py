"""Readers and writers: what each format gives, and what is refused with which words."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from blackett.errors import FileFormatError, InputError
from blackett.gamma import formats
from blackett.gamma.calibration import EnergyCalibration, TabulatedCalibration
from blackett.gamma.formats import parsing, read, read_bytes, read_spectrogram, write
from golden.make import AXIS, FOLDER, golden_files, recording, rows

if TYPE_CHECKING:
    from pathlib import Path

    from blackett.gamma.spectrum import Spectrum

GOLDEN = golden_files()
ALONE = recording().with_background(None)


def read_text(text: str | bytes, **options: float) -> list[Spectrum]:
    data = text.encode() if isinstance(text, str) else text
    return read_bytes(data, "file", others=False, **options)


def refused(text: str | bytes) -> FileFormatError:
    with pytest.raises(FileFormatError) as caught:
        read_text(text)
    assert caught.value.file == "file"
    assert str(caught.value).startswith("file: ")
    return caught.value


def golden(name: str) -> str:
    return GOLDEN[name].decode()


# -- golden files --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(GOLDEN))
def test_writers_still_write_the_golden_bytes(name: str) -> None:
    assert (FOLDER / name).read_bytes() == GOLDEN[name]


@pytest.mark.parametrize("name", ["recording.xml", "recording.n42", "recording.csv"])
def test_golden_files_hold_the_recording(name: str) -> None:
    one = read(FOLDER / name)[0]
    want = recording()
    assert one.source_file.endswith(name)
    assert np.array_equal(one.counts, want.counts)
    for field in ("calibration", "live_time_s", "real_time_s", "device", "serial", "start",
                  "name", "comment", "overflow_channel", "n_channels"):  # fmt: skip
        assert getattr(one, field) == getattr(want, field), field
    assert one.background is not None
    assert np.array_equal(one.background.counts, want.background.counts)
    assert one.background.live_time_s == want.background.live_time_s
    assert one.background.name == "table, no source"


@pytest.mark.parametrize("form", ["xml", "n42", "spe", "csv", "json"])
def test_write_read_write_gives_the_same_bytes(form: str, tmp_path: Path) -> None:
    first, second = tmp_path / f"a.{form}", tmp_path / "b"
    write(first, ALONE)
    write(second, read(first), form)
    assert first.read_bytes() == second.read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == [f"a.{form}", "b"]


# -- writing -------------------------------------------------------------------------------------


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    write(path, ALONE)
    before = path.read_bytes()
    with pytest.raises(InputError, match="cannot hold the character"):
        write(path, replace(ALONE, name="bell \a"))
    path.chmod(0o600)
    assert path.read_bytes() == before
    write(path, ALONE)
    assert path.stat().st_mode & 0o777 == 0o600
    assert [p.name for p in tmp_path.iterdir()] == ["a.xml"]


@pytest.mark.parametrize(
    ("form", "change", "rule"),
    [
        ("txt", {}, "format must be one of xml, n42, spe, json, csv"),
        ("rcspg", {}, "format must be one of"),
        ("spe", {"background": ALONE}, "no background"),
        ("spe", {"comment": "$DATA:\n1 2"}, "'\\$'"),
        ("spe", {"name": "two\nlines"}, "one line"),
        ("n42", {"background": replace(ALONE, serial="other")}, "another one"),
        ("csv", {"background": ALONE.recalibrate(None)}, "same calibration"),
        ("json", {"live_time_s": 599.5, "real_time_s": None}, "whole seconds"),
        ("xml", {"masked_channels": (0,)}, "masked"),
        ("xml", {"calibration": TabulatedCalibration(np.arange(257.0))}, "polynomial"),
        ("n42", {"calibration": TabulatedCalibration(np.arange(257.0))}, "polynomial"),
        ("spe", {"calibration": TabulatedCalibration(np.arange(257.0))}, "polynomial"),
        ("json", {"calibration": TabulatedCalibration(np.arange(257.0))}, "polynomial"),
    ],
)
def test_writers_refuse_what_a_format_cannot_hold(
    form: str, change: dict[str, object], rule: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=rule):
        write(tmp_path / f"a.{form}", replace(ALONE, **change))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("form", ["n42", "spe", "csv"])
def test_some_formats_hold_one_spectrum(form: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="one spectrum"):
        write(tmp_path / "a", [ALONE, ALONE], form)
    with pytest.raises(InputError, match="at least one"):
        write(tmp_path / "a", [], form)


# -- RadiaCode XML -------------------------------------------------------------------------------


def old_app(text: str) -> str:
    """As older apps write: no LiveTime."""
    lines = [line for line in text.split("\n") if "<LiveTime>" not in line]
    return "\n".join(lines)


def test_without_live_time_five_microseconds_a_count_are_taken_off() -> None:
    one = read_text(old_app(golden("recording.xml")))[0]
    assert one.live_time_s == 600 - 5e-6 * one.total_counts
    assert one.real_time_s == 600
    assert one.live_time_rule == "real time less 5 us a count"
    assert one.background is not None
    assert one.background.live_time_s == 3600 - 5e-6 * one.background.total_counts


def test_dead_time_is_known_for_radiacode_alone() -> None:
    text = old_app(golden("recording.xml")).replace("RadiaCode-103", "AtomSpectra")
    text = text.replace("RC-103-000000", "")
    one = read_text(text)[0]
    assert (one.live_time_s, one.live_time_rule) == (600, "real time, no dead time known")
    assert one.overflow_channel is None


def test_a_live_time_of_zero_is_none() -> None:
    text = golden("recording.xml")
    live = f"<LiveTime>{recording().live_time_s!r}</LiveTime>"
    assert live in text
    assert read_text(text.replace(live, "<LiveTime>0</LiveTime>"))[0].live_time_rule.startswith(
        "real time less"
    )


def test_the_serial_number_decides_on_the_model() -> None:
    text = golden("recording.xml").replace("<Name>RadiaCode-103<", "<Name>RadiaCode-101<")
    one = read_text(text)[0]
    assert one.device == "RadiaCode-103"
    assert "RadiaCode-101 has the serial number of a RadiaCode-103" in one.warnings[0]
    again = read_text(golden("recording.xml").replace("RC-103-000000", "RC-103G-000001"))[0]
    assert again.device == "RadiaCode-103G"


def test_cdata_crlf_byte_order_mark_and_other_encodings() -> None:
    text = golden("recording.xml").replace(
        "<SpectrumName>table, no source<", "<SpectrumName><![CDATA[Фон & <b>]]><"
    )
    for data in (
        b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode(),
        text.replace("utf-8", "windows-1251").encode("cp1251"),
        text.replace("utf-8", "utf-16").encode("utf-16"),
    ):
        one = read_text(data)[0]
        assert one.background is not None
        assert one.background.name == "Фон & <b>"
        assert one.warnings == ()


def test_times_belong_to_the_spectrum_that_follows() -> None:
    text = golden("recording.xml")
    moved = text.replace(
        "<BackgroundEnergySpectrum>",
        "<StartTime>2025-01-01T00:00:00</StartTime><EndTime/><BackgroundEnergySpectrum>",
    )
    one = read_text(moved)[0]
    assert one.start == recording().start
    assert one.background is not None
    assert one.background.start is not None
    assert one.background.start.year == 2025
    assert read_text(text)[0].background.start is None


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("</BackgroundEnergySpectrum>", "</EnergySpectrum>"),
        ("<Visible>true</Visible>", "<Visible>true"),
        ("<Comment></Comment>", "<Comment>a & b < c</Comment>"),
        ("</ResultDataFile>", "</ResultDataFile>trailing & junk"),
        ("<Comment></Comment>", "<Comment>\x01</Comment>"),
        ("<ResultDataFile ", "<a:ResultDataFile "),
    ],
)
def test_badly_closed_files_are_mended_and_nothing_is_invented(old: str, new: str) -> None:
    text = golden("recording.xml")
    assert old in text
    one = read_text(text.replace(old, new))[0]
    assert np.array_equal(one.counts, recording().counts)
    assert one.background is not None
    assert np.array_equal(one.background.counts, recording().background.counts)
    assert one.background.live_time_s == recording().background.live_time_s
    assert one.live_time_s == recording().live_time_s
    assert "not well-formed XML" in one.warnings[0]


def test_stray_bytes_in_texts_are_marked() -> None:
    data = GOLDEN["recording.xml"].replace(b"table, no source", b"table \xff")
    one = read_text(data)[0]
    assert one.background is not None
    assert one.background.name == "table \N{REPLACEMENT CHARACTER}"
    assert "were replaced" in one.warnings[0]


POINT = "<DataPoint>17</DataPoint>"  # the overflow channel
AXIS_LINE = "<Coefficient>9.4375</Coefficient>"
BOMB = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]>\n'


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        (POINT, "<DataPoint>-1</DataPoint>", "whole number"),
        (POINT, "<DataPoint>nan</DataPoint>", "whole number"),
        (POINT, "<DataPoint>1.5</DataPoint>", "whole number"),
        (POINT, "<DataPoint>1e3</DataPoint>", "whole number"),
        (POINT, "<DataPoint>١٧</DataPoint>", "whole number"),
        (POINT, "<DataPoint></DataPoint>", "whole number"),
        (POINT, f"<DataPoint>{'9' * 5000}</DataPoint>", "at most 19 digits"),
        (POINT, "<DataPoint>4611686018427387904</DataPoint>", "must be from 0"),
        (POINT, "<DataPoint>4611686018427387903</DataPoint>", "less than 2"),
        (POINT, "", "says 256 channels, but 25"),
        ("</SampleInfo>", "", "must contain an <EnergySpectrum>"),
        (POINT, f"{POINT}<DataPoint/>", "whole number"),
        ("<NumberOfChannels>256<", "<NumberOfChannels>1000000000<", "from 2 to 65536"),
        ("<NumberOfChannels>256</NumberOfChannels>", "", "must contain <NumberOfChannels>"),
        (AXIS_LINE, "<Coefficient>-9.4375</Coefficient>", "must rise"),
        (AXIS_LINE, "<Coefficient>1e999</Coefficient>", "finite"),
        (AXIS_LINE, "<Coefficient>9,4</Coefficient>", "decimal number"),
        (AXIS_LINE, "", "says order 2"),
        ("<MeasurementTime>600<", "<MeasurementTime>0<", "above 0 seconds"),
        ("<MeasurementTime>600<", "<MeasurementTime>-5<", "above 0 seconds"),
        ("<MeasurementTime>600<", "<MeasurementTime>ten<", "decimal number"),
        ("<LiveTime>", "<LiveTime>-", "above 0 seconds"),
        ("<StartTime>2026", "<StartTime>2026-13", "must be a time"),
        ("<StartTime>2026-01-02", "<StartTime>2026-02-30", "no date and time"),
        ("<ResultDataFile", BOMB + "<ResultDataFile", "document type"),
        ("<FormatVersion>", "<FormatVersion>" + "<a>" * 100, "40 deep"),
        ("</ResultDataFile>", "", "cut short"),
        ("</ResultDataFile>", "<!--", "cut short|unclosed comment"),
        ("<FormatVersion>", "\0<FormatVersion>", "NUL"),
        ('encoding="utf-8"', 'encoding="utf-7"', "encoding must be"),
        ("EnergySpectrum>", "Spectra>", "must contain an <EnergySpectrum>"),
        ("ResultData>", "Result>", "1 to 4096 ResultData"),
    ],
)
def test_hostile_xml_is_refused(old: str, new: str, rule: str) -> None:
    text = golden("recording.xml")
    assert old in text
    error = refused(text.replace(old, new))
    assert any(part in error.rule for part in rule.split("|")), error


@pytest.mark.parametrize(
    "text",
    [
        "<?" * 200_000,
        "<!--" * 200_000,
        "<a " * 200_000,
        "<!-- -->" * 50_000 + "<a",
        "<" * 10**6,
        "<a " + "a='>' " * 10**5,
        "<![CDATA[" + "<a>" * 10**5,
    ],
    ids=["instructions", "comments", "tags", "many comments", "brackets", "values", "section"],
)
def test_texts_that_would_be_slow_for_careless_patterns(text: str) -> None:
    refused(text)
    refused("<ResultDataFile>" + text)


# -- spectrograms --------------------------------------------------------------------------------


def test_android_spectrogram_sums_its_rows_and_leaves_line_two_out() -> None:
    one = read_spectrogram(FOLDER / "android.rcspg")
    want = rows()
    want[-1, 200:] = 0
    assert np.array_equal(one.counts, want)
    assert one.seconds.tolist() == [60.0] * 4
    assert one.total.total_counts == want.sum()
    assert one.total.real_time_s == 240
    assert one.total.live_time_s == 240 - 5e-6 * want.sum()
    assert one.total.calibration == AXIS
    assert one.total.device == "RadiaCode-103"
    assert one.total.start is not None
    assert (one.end[0] - one.total.start).total_seconds() == 60
    assert read(FOLDER / "android.rcspg") == [one.total]


def test_ios_spectrogram_is_told_by_its_content() -> None:
    one = read_spectrogram(FOLDER / "ios.rcspg")
    assert np.array_equal(one.counts, rows())
    assert one.total.calibration == AXIS
    assert one.total.real_time_s == 240
    assert read(FOLDER / "ios.rcspg") == [one.total]


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        ("Channels: 256", "Channels: 1000000000", "from 2 to 65536"),
        ("Channels: 256", "Channels: 1024", "must dump 4112 bytes"),
        ("Channels: 256\t", "", "field 'Channels'"),
        ("Spectrum: 9F", "Spectrum: ZZ", "hex dump"),
        ("\t60\t", "\t0\t", "above 0 seconds"),
        ("\t60\t", "\t-60\t", "above 0 seconds"),
        ("\t60\t", "\t60\t" + "1\t" * 300, "at most 256 counts"),
        ("\t60\t", "\t60\t-", "whole number"),
        ("\n133000000600000000", "\n99999999999999999999", "19 digits"),
        ("\n133000000600000000", "\nx", "whole number"),
    ],
)
def test_hostile_spectrograms_are_refused(old: str, new: str, rule: str) -> None:
    text = golden("android.rcspg")
    assert old in text
    assert rule in str(refused(text.replace(old, new)))


def test_a_spectrogram_without_rows_is_refused() -> None:
    text = "\n".join(golden("android.rcspg").split("\n")[:2])
    assert "rows" in refused(text).rule
    with pytest.raises(FileFormatError):
        read_spectrogram(FOLDER / "recording.xml")


# -- N42 -----------------------------------------------------------------------------------------


def test_the_2006_form() -> None:
    [one] = read(FOLDER / "form2006.n42")
    assert np.array_equal(one.counts, recording().counts)
    assert (one.live_time_s, one.real_time_s) == (599.5, 600)
    assert (one.calibration, one.device) == (AXIS, "RadiaCode-103")


def n42(data: str, attributes: str = "", *, extra: str = "", live: str = "PT10S") -> str:
    return (
        "<?xml version='1.0'?>\n  <?xml-model href='x'?>\n<n:RadInstrumentData xmlns:n='u'>"
        f"<n:EnergyCalibration id='c'><n:CoefficientValues>1 2 0</n:CoefficientValues>"
        f"</n:EnergyCalibration><n:RadMeasurement><n:RealTimeDuration>P1DT1H1M1.5S"
        f"</n:RealTimeDuration><n:Spectrum energyCalibrationReference='c'>"
        f"<n:LiveTimeDuration>{live}</n:LiveTimeDuration>"
        f"<n:ChannelData {attributes}>{data}</n:ChannelData></n:Spectrum></n:RadMeasurement>{extra}"
        "</n:RadInstrumentData>"
    )


def test_n42_prefixes_durations_and_counted_zeroes() -> None:
    [one] = read_text(n42("1 0 3 2.0 0 1", "compressionCode='CountedZeroes'"))
    assert one.counts.tolist() == [1, 0, 0, 0, 2, 0]
    assert one.real_time_s == 86400 + 3600 + 60 + 1.5
    assert one.calibration == EnergyCalibration((1, 2, 0))


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        (n42("1 2.5 3"), "whole number"),
        (n42("1 0", "compressionCode='CountedZeroes'"), "after each 0"),
        (n42("1 0 0", "compressionCode='CountedZeroes'"), "from 1 to"),
        (n42("0 65536 0 65536", "compressionCode='CountedZeroes'"), "at most 65536"),
        (n42("0 999999999999", "compressionCode='CountedZeroes'"), "from 1 to 65536"),
        (n42("1 2", "compressionCode='zip'"), "compressionCode"),
        (n42("1 2", live="10"), "duration"),
        (n42("1 2", live="PT"), "duration"),
        (n42("1 2", live="P1Y"), "duration"),
        (n42("1 2", live="PT0S"), "above 0 seconds"),
        (n42("1"), "2 to 65536 channels"),
        (n42("1 2").replace("id='c'", "id='d'"), "not there"),
        (n42("1 2").replace("1 2 0<", "1 -2 0<"), "must rise"),
        (n42("1 2").replace("ChannelData", "Data"), "gamma spectra, not 0"),
        (n42("1 2").replace("<n:Rad", BOMB + "<n:Rad", 1), "document type"),
    ],
)
def test_hostile_n42_is_refused(text: str, rule: str) -> None:
    assert rule in refused(text).rule


def test_n42_neutron_detectors_are_passed_over_and_several_backgrounds_stay() -> None:
    text = n42("1 2").replace("energyCal", "radDetectorInformationReference='n' energyCal")
    neutron = (
        "<RadDetectorInformation id='n'><RadDetectorCategoryCode>Neutron</RadDetectorCategoryCode>"
        "</RadDetectorInformation>"
    )
    assert "not 0" in refused(text.replace("<n:RadM", neutron + "<n:RadM")).rule
    back = (
        "<RadMeasurement><MeasurementClassCode>Background</MeasurementClassCode><Spectrum>"
        "<LiveTimeDuration>PT5S</LiveTimeDuration><ChannelData>7 8</ChannelData></Spectrum>"
        "</RadMeasurement>"
    )
    [one] = read_text(n42("1 2", extra=back))
    assert one.background is not None
    assert one.background.counts.tolist() == [7, 8]
    assert len(read_text(n42("1 2", extra=back * 2))) == 3
    assert len(read_text(n42("1 2", extra=back).replace("<n:RadMeasurement>", "<n:X>"
        ).replace("</n:RadMeasurement>", "</n:X>"))) == 1  # fmt: skip


# -- SPE -----------------------------------------------------------------------------------------

SPE = "$SPEC_ID:\nrock\n$MEAS_TIM:\n10 12\n$DATA:\n0 2\n 1\n 2\n 3\n"


def test_spe_prefers_mca_cal_and_may_be_uncalibrated() -> None:
    [bare] = read_text(SPE)
    assert (bare.calibration, bare.live_time_s, bare.real_time_s) == (None, 10, 12)
    assert (bare.name, bare.counts.tolist()) == ("rock", [1, 2, 3])
    fit = SPE + "$ENER_FIT:\n0.5 2\n"
    assert read_text(fit)[0].calibration == EnergyCalibration((0.5, 2))
    both = (fit + "$MCA_CAL:\n3\n0.0E+000 1.5 1e-3 keV\n").replace("\n", "\r\n")
    assert read_text(both)[0].calibration == EnergyCalibration((0, 1.5, 1e-3))
    assert read_text(SPE + "$MCA_CAL:\n2\n0 0 keV\n")[0].calibration is None


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        ("0 2\n", "0 3\n", "says 4 channels, but 3"),
        ("0 2\n", "0 1000000000\n", "from 0 to 65535"),
        ("0 2\n", "1 3\n", "must begin at channel 0"),
        ("0 2\n", "2\n", "first and the last"),
        (" 3\n", " -3\n", "whole number"),
        ("10 12", "0 12", "above 0 seconds"),
        ("10 12", "", "live and the real time"),
        ("$MEAS_TIM:\n10 12\n", "", "must contain $MEAS_TIM"),
        ("$SPEC_ID:", "$DATA:", "repeat"),
        ("rock", "rock\n$DATE_MEA:\n13/13/2020 00:00:00", "no date"),
        ("rock", "rock\n$DATE_MEA:\nyesterday", "MM/DD/YYYY"),
        ("rock", "rock\n$MCA_CAL:\n3\n1 2 keV", "says 3 coefficients"),
        ("rock", "rock\n$MCA_CAL:\n2\n1 2 MeV", "in keV"),
        ("rock", "rock\n$ENER_FIT:\n1 -2", "must rise"),
    ],
)
def test_hostile_spe_is_refused(old: str, new: str, rule: str) -> None:
    assert rule in refused(SPE.replace(old, new)).rule


# -- CSV -----------------------------------------------------------------------------------------


def test_csv_columns() -> None:
    assert read_text("5\n6\n7\n", live_time_s=3)[0].counts.tolist() == [5, 6, 7]
    for text in ("0,5\n1,6\n", "1;5\n2;6\n", "channel\tcounts\n0\t5\n1\t6\n", "0 5\r\n1 6\r\n"):
        [one] = read_text(text, live_time_s=3)
        assert (one.counts.tolist(), one.calibration) == ([5, 6], None)
    [one] = read_text("Energy,Data\n0,5\n1,6\n2,9\n", live_time_s=3)
    assert one.edges_kev.tolist() == [-0.5, 0.5, 1.5, 2.5]
    [one] = read_text("# live_time_s: 7\n# background_live_time_s: 70\n1.5,5,1\n2.5,6,2\n4,7,3\n")
    assert isinstance(one.calibration, TabulatedCalibration)
    assert one.live_time_s == 7
    assert one.background is not None
    assert (one.background.live_time_s, one.background.counts.tolist()) == (70, [1, 2, 3])


def test_csv_never_guesses_a_live_time() -> None:
    error = refused("0,5\n1,6\n")
    assert "states no live time: pass live_time_s" in error.rule
    assert read_text("# live_time_s: 8\n0,5\n1,6\n", live_time_s=3)[0].live_time_s == 8


def test_the_live_time_of_a_background_column_must_be_stated() -> None:
    with pytest.raises(FileFormatError, match=r"no background live time: write a line '# backg"):
        read_text("1,5,1\n2,6,2\n", live_time_s=3)


def first_channels(*values: int) -> str:
    return "\n".join(map(str, [*values, *[5] * 20])) + "\n"


def test_times_in_the_first_two_channels() -> None:
    [one] = read(FOLDER / "plain.csv")
    assert (one.live_time_s, one.real_time_s) == (600, 603)
    assert one.masked_channels == (0, 1)
    assert one.counts[:2].tolist() == [600, 603]
    assert "TKA" in one.live_time_rule
    assert "masked" in one.warnings[0]
    assert np.allclose(one.edges_kev, AXIS.edges_kev(256), atol=0.01)
    assert read_text(first_channels(600, 602, 6, 0))[0].live_time_s == 600
    for values in [(600, 602, 7, 0), (602, 600, 0, 0), (600, 661, 0, 0), (9, 9, 0, 0)]:
        assert "no live time" in refused(first_channels(*values)).rule


def test_csv_axis_is_a_polynomial_only_if_it_meets_every_value() -> None:
    energies = 3 + 2.5 * np.arange(50) + 1e-3 * np.arange(50) ** 2
    rows_of = "".join(f"{e:.2f},1\n" for e in energies)
    [one] = read_text(rows_of, live_time_s=1)
    assert isinstance(one.calibration, EnergyCalibration)
    assert np.allclose(one.centres_kev, energies, atol=0.01)
    energies[25] += 0.1
    [one] = read_text("".join(f"{e:.2f},1\n" for e in energies), live_time_s=1)
    assert isinstance(one.calibration, TabulatedCalibration)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("0,5\n1,-6\n", "whole number"),
        ("0,5\n1,6,7\n", "2 columns, not 3"),
        ("0,5\n1,6\nend\n", "2 columns, not 1"),
        ("0,5,6,7\n1,5,6,7\n", "one of the formats"),
        ("3,5\n2,6\n1,7\n", "rise"),
        ("# live_time_s: nan\n0,5\n1,6\n", "decimal number"),
        ("# live_time_s: 0\n0,5\n1,6\n", "above 0"),
        ("1\n" * 65_537, "at most 65536"),
        ("1e9,5\n2e9,6\n", "below 1e6 keV"),
        ("# lower_edge_kev\nlower_edge_kev,counts\n1,2\n2,3\n", "decimal number"),
    ],
)
def test_hostile_csv_is_refused(text: str, rule: str) -> None:
    assert rule in refused(text).rule


# -- JSON ----------------------------------------------------------------------------------------


def npes(**changes: object) -> str:
    document = json.loads(golden("recording.json"))
    spectrum = document["data"][0]["resultData"]["energySpectrum"]
    for key, value in changes.items():
        if value is None:
            del spectrum[key]
        else:
            spectrum[key] = value
    return json.dumps(document)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        (npes(spectrum=[1] * 255 + [-1]), "from 0 to"),
        (npes(spectrum=[1] * 255 + [1.0]), "whole number"),
        (npes(spectrum=[1] * 255 + [True]), "whole number"),
        (npes(spectrum=[1] * 255), "256 channels"),
        (npes(spectrum=[2**61] * 256), "less than 2"),
        (npes(numberOfChannels=10**9), "from 2 to 65536"),
        (npes(measurementTime=0), "from 1 to"),
        (npes(measurementTime=1.5), "whole number"),
        (npes(measurementTime=None), "must contain 'measurementTime'"),
        (npes(extra=1), "unknown member 'extra'"),
        (npes(energyCalibration={"polynomialOrder": 1, "coefficients": [0, -1]}), "must rise"),
        (npes(energyCalibration={"polynomialOrder": 2, "coefficients": [0, 1]}), "does not fit"),
        (npes(spectrum=1), "must be a list"),
        (npes().replace("NPESv2", "NPESv1"), "'NPESv2'"),
        (npes().replace('"data"', '"schemaVersion"'), "repeat a member"),
        (npes().replace("256", "NaN", 1), "finite"),
        (npes().replace("256", "1" * 5000, 1), "at most 20 digits"),
        (npes().replace("256", "1e999", 1), "whole number"),
        (npes()[:-2], "is no JSON"),
        ('{"schemaVersion":' + "[" * 100_000, "32 levels deep"),
        ('{"schemaVersion":' * 100_000, "32 levels deep"),
        ('["schemaVersion"]', "one of the formats"),
    ],
)
def test_hostile_json_is_refused(text: str, rule: str) -> None:
    assert rule in refused(text).rule


def test_half_a_character_is_refused() -> None:
    assert "surrogates" in refused(npes().replace("synthetic", "\\ud800")).rule
    mended = golden("recording.xml").replace("no source", "&#xD800;&#0;")
    assert read_text(mended)[0].background.name == "table, " + 2 * "\N{REPLACEMENT CHARACTER}"


def test_json_deeper_than_its_strings_say() -> None:
    assert read_text(npes().replace("synthetic", "[" * 100))[0].name.startswith("[[[")


# -- any file ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data", [b"", b" \n", b"\0" * 100, b"\xff" * 100, b"hello", b"PK\x03\x04" + bytes(200), b"{}"]
)
def test_what_is_no_spectrum_is_refused(data: bytes) -> None:
    refused(data)


def test_size_limit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(parsing, "MAX_BYTES", 1000)
    path = tmp_path / "big.csv"
    path.write_bytes(b"1\n" * 501)
    with pytest.raises(FileFormatError, match="at most 1000 bytes"):
        read(path, live_time_s=1)
    path.write_bytes(b"1\n" * 500)
    assert read(path, live_time_s=1)[0].total_counts == 500


def test_what_cannot_be_opened(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "absent.xml"):
        with pytest.raises(FileFormatError, match="must be a file"):
            read(path)


def test_the_extension_does_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "recording.csv"
    path.write_bytes(GOLDEN["recording.n42"])
    assert read(path)[0].total_counts == recording().total_counts


def test_public_names() -> None:
    assert formats.__all__ == ["Spectrogram", "read", "read_bytes", "read_spectrogram", "write"]
