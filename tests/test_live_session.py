"""A whole measurement on an emulated device, and the ways out of it."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from blackett.errors import FileFormatError, InputError
from blackett.gamma import formats
from blackett.gamma.calibration import EnergyCalibration
from blackett.gamma.live.clock import SystemClock, VirtualClock
from blackett.gamma.live.emulator import EmulatedRadiaCode
from blackett.gamma.live.exports import recorded_spectra
from blackett.gamma.live.faults import ListedFaults
from blackett.gamma.live.link import Found, LinkError, emulated
from blackett.gamma.live.measurement import Measurement
from blackett.gamma.live.mqtt import Broker, announcements, publish, state_of
from blackett.gamma.live.session import live_session
from blackett.gamma.live.verbs import devices, stream_lines
from blackett.gamma.spectrum import Spectrum
from blackett.gamma.templates import library
from live_devices import play

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from blackett.gamma.live.messages import Update
    from blackett.gamma.live.session import LiveSession


def until(session: LiveSession, wanted: Callable[[Update], bool], seconds: float = 240.0) -> Update:
    """The first update from now on that is as wanted."""
    end, sequence = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        session.wait(sequence, 1.0)
        for update in session.updates(sequence):
            sequence = update.sequence
            if wanted(update):
                return update
    raise AssertionError(f"not seen in {seconds} s; newest: {session.latest()}")


@pytest.fixture
def quick(tmp_path: Path) -> Iterator[tuple[Measurement, EmulatedRadiaCode]]:
    """A measurement of a featureless spectrum at fifty times the speed."""
    clock = VirtualClock(50.0)
    faults = ListedFaults(["disconnect", "timeout", "reset"], after=60, every=20)
    made = EmulatedRadiaCode(play(), clock, np.random.default_rng(5), faults=faults)
    session = Measurement(emulated(made.connect), clock, tmp_path / "log.sqlite", seed=1)
    session._identified = refuse  # type: ignore[method-assign]
    session._compiled.add("radiacode-103")  # nothing to compile for
    session.start()
    yield session, made
    session.stop()


def refuse(spectrum: Spectrum, background: Spectrum | None) -> Any:
    raise InputError("this test asks for no answer")


def test_updates_follow_each_other_without_a_gap(
    quick: tuple[Measurement, EmulatedRadiaCode],
) -> None:
    session, made = quick
    until(session, lambda u: any(c.kind == "reset" for c in u.decision.changes))
    newest = until(session, lambda u: u.health.state == "connected" and u.sequence > 120)
    updates = session.updates(0)
    assert [u.sequence for u in updates] == list(
        range(updates[0].sequence, updates[-1].sequence + 1)
    )
    assert newest.health.connections >= 3
    assert newest.since_start is not None
    rows = [u.waterfall for u in session.updates(0) if u.waterfall is not None]
    last = [u for u in session.updates(0) if u.waterfall is not None][-1]
    assert last.since_start is not None
    whole = sum(int(row.counts.sum()) for row in rows if row.time_s <= last.time_s)
    assert whole == int(last.since_start.counts.sum())
    assert any("not identified" in note for note in newest.notes)
    assert newest.identification is None
    session.stop()
    assert sum(s.total_counts for s in recorded_spectra(session.recording_path)) == made.sent
    json.dumps(newest.to_dict())


def test_a_lost_device_makes_values_old(quick: tuple[Measurement, EmulatedRadiaCode]) -> None:
    session, made = quick
    until(session, lambda u: u.health.state == "connected" and u.since_start is not None)
    made._faults = ListedFaults(["timeout"] * 1000, after=0, every=1)
    lost = until(session, lambda u: u.health.state == "retrying")
    assert "timed out" in lost.health.last_error
    older = until(session, lambda u: (u.health.spectrum_age_s or 0.0) > 10.0)
    assert older.waterfall is None
    assert older.cps.age_s is not None
    assert older.cps.age_s > 9.0
    assert older.device_cps.age_s is not None
    assert older.device_cps.age_s > 9.0


def test_another_device_begins_anew(tmp_path: Path) -> None:
    clock = VirtualClock(50.0)
    both = [
        EmulatedRadiaCode(play(), clock, np.random.default_rng(n), serial=f"RC-103-00000{n}",
                          already_s=1000 * n, faults=ListedFaults(["disconnect"], after=40))
        for n in (1, 2)
    ]  # fmt: skip
    links = iter([both[0], both[1], both[1], both[1]])
    session = Measurement(
        emulated(lambda: next(links).connect()), clock, tmp_path / "log.sqlite", seed=1
    )
    session._identified = refuse  # type: ignore[method-assign]
    session._compiled.add("radiacode-103")  # nothing to compile for
    session.start()
    try:
        first = until(session, lambda u: u.health.device.serial == "RC-103-000001")
        assert first.health.device.model == "RadiaCode-103"
        newest = until(session, lambda u: any("took the place" in note for note in u.notes)
                       and u.since_start is not None
                       and u.since_start.real_time_s > 20.0)  # fmt: skip
        assert newest.health.device.serial == "RC-103-000002"
        assert newest.since_start is not None
        rate = newest.since_start.counts.sum() / newest.since_start.real_time_s
        assert rate == pytest.approx(10.0, rel=0.4)
    finally:
        session.stop()
    spectra = recorded_spectra(session.recording_path)
    assert [s.serial for s in spectra] == ["RC-103-000001", "RC-103-000002"]
    assert [s.total_counts for s in spectra] == [made.sent for made in both]


def test_a_source_that_appears_is_named(tmp_path: Path) -> None:
    library("radiacode-103")  # built now, not while the clock runs
    session = live_session(
        simulate="Cs-137 60 cps; room 7 cps", speed=5.0, record=tmp_path / "log.sqlite"
    )
    session.start()
    try:
        seen = until(session, lambda u: "Cs-137" in u.decision.nuclides)
        assert seen.decision.verdict == "identified"
        assert seen.decision.time_to_decision_s["Cs-137"] > 5.0
        assert seen.background == "modelled"
        assert seen.identification is not None
        assert seen.identification_ms is not None
        assert any(h.nuclide == "Cs-137" for h in seen.history)
        assert seen.dose_usv_h.value is not None
        lines = stream_lines(session, stop_after_s=1.0)
        record = json.loads(next(lines))
        assert set(record["decision"]["nuclides"]) <= {"Cs-137"}
        assert "waterfall" not in record
        assert "waterfall" in json.loads(next(stream_lines(session, spectra=True)))
        state = state_of(seen)
        assert (state["nuclides"], state["verdict"]) == ("Cs-137", "identified")
        found = dict(announcements(seen))
        topic = "homeassistant/sensor/blackett_rc_103_000000/dose_usv_h/config"
        assert json.loads(found[topic])["unit_of_measurement"] == "µSv/h"
    finally:
        session.stop()
    exported = formats.read_bytes(session.export("n42"), "log.n42")
    assert exported[0].total_counts > 100
    session.stop()  # once more does nothing


def test_a_replayed_file_is_measured(tmp_path: Path) -> None:
    counts = np.random.default_rng(2).poisson(20.0, 1024)
    spectrum = Spectrum(
        counts, EnergyCalibration((0.0, 2.4, 0.0004)), 600.0, 601.0, device="RadiaCode-102"
    )
    formats.write(tmp_path / "room.xml", spectrum)
    session = live_session(replay=tmp_path / "room.xml", speed=50.0)
    session.set_background(spectrum)
    session.start()
    try:
        seen = until(
            session, lambda u: u.since_start is not None and u.since_start.real_time_s > 20
        )
        assert seen.health.device.model == "RadiaCode-102"
        assert seen.cps.value == pytest.approx(counts.sum() / 601.0, rel=0.5)
    finally:
        session.stop()
    with pytest.raises(InputError, match="temporary"):
        session.export("n42")


def test_old_values_are_not_published_as_current(
    quick: tuple[Measurement, EmulatedRadiaCode],
) -> None:
    session, _ = quick
    update = until(session, lambda u: u.cps.value is not None and u.dose_usv_h.value is not None)
    assert state_of(update)["cps"] == pytest.approx(update.cps.value, rel=1e-4)
    old = replace(update, cps=replace(update.cps, age_s=11.0))
    assert state_of(old)["cps"] is None


class FakeClient:
    """What paho's client would send to a broker."""

    def __init__(self, *_: object) -> None:
        self.sent: list[tuple[str, str]] = []
        self.will = ""
        self.on_connect: Callable[..., None] | None = None

    def will_set(self, topic: str, payload: str, retain: bool) -> None:
        assert retain
        self.will = f"{topic}: {payload}"

    def connect(self, host: str, port: int, keepalive: int) -> None:
        assert (host, port, keepalive) == ("broker", 1883, 30)

    def loop_start(self) -> None:
        assert self.on_connect is not None
        self.on_connect()

    def publish(self, topic: str, payload: str, retain: bool = False) -> None:
        assert retain == (not topic.endswith("/state"))
        self.sent.append((topic, payload))

    def disconnect(self) -> None:
        self.sent.append(("disconnected", ""))

    def loop_stop(self) -> None:
        pass


def test_home_assistant_is_told_all_it_needs(
    quick: tuple[Measurement, EmulatedRadiaCode], monkeypatch: pytest.MonkeyPatch
) -> None:
    client = pytest.importorskip("paho.mqtt.client")
    made: list[FakeClient] = []
    monkeypatch.setattr(client, "Client", lambda *_: made.append(FakeClient()) or made[-1])
    beats = publish(quick[0], Broker("broker"))
    first, second = next(beats), next(beats)
    beats.close()
    assert second.time_s - first.time_s >= 1.0
    topics = [topic for topic, _ in made[0].sent]
    assert sum(topic.endswith("/config") for topic in topics) == 6
    assert topics.count("blackett/rc_103_000000/state") == 2
    assert topics[-1] == "disconnected"
    assert made[0].will == "blackett/rc_103_000000/available: offline"
    assert ("blackett/rc_103_000000/available", "online") in made[0].sent


def test_contradictions_are_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--simulate and --usb"):
        live_session(simulate="", usb="RC-103-000001")
    with pytest.raises(InputError, match="--speed"):
        live_session(speed=2.0)
    with pytest.raises(InputError):
        live_session(simulate="", speed=0.0)
    (tmp_path / "log.sqlite").write_text("no database" * 100)
    with pytest.raises(FileFormatError):
        live_session(simulate="", record=tmp_path / "log.sqlite")
    with pytest.raises(InputError):
        Broker("", 1883)
    assert "secret" not in repr(Broker("host", password="secret"))


def test_devices_that_are_found_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    from blackett.gamma.live import link

    monkeypatch.setattr(link, "found_usb", lambda: [Found("usb", "RC-103-000001", "RadiaCode-103")])
    assert "--usb RC-103-000001" in next(iter(devices()))
    assert json.loads(next(iter(devices(as_json=True))))["transport"] == "usb"
    monkeypatch.setattr(link, "found_usb", list)
    assert "no RadiaCode was found" in next(iter(devices()))

    def missing() -> list[Found]:
        raise LinkError("no adapter", absent=True)

    monkeypatch.setattr(link, "found_bluetooth", missing)
    shown = [str(getattr(piece, "text", piece)) for piece in devices(bluetooth=True)]
    assert shown[0] == "no adapter"


def test_clocks_run() -> None:
    clock = VirtualClock(1000.0, 5.0)
    assert clock.now() >= 5.0
    time.sleep(0.01)
    assert clock.now() >= 15.0
    assert abs(SystemClock().now() - time.time()) < 5.0
