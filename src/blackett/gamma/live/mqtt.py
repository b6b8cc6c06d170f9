"""Live values over MQTT, announced so that Home Assistant finds them by itself (extra `mqtt`).

Topics: `blackett/<device>/state` holds one JSON object a beat, `blackett/<device>/available` says
online or offline (the broker says offline for us if we vanish), and retained announcements stand
under `homeassistant/sensor/...`. Values that are not known, or older than ten seconds (temperature
and battery, which come rarely: ten minutes), are null: nothing old is shown as current.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from blackett.errors import BlackettError, InputError, MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from blackett.gamma.live.messages import Aged, Rate, Update
    from blackett.gamma.live.session import LiveSession

__all__ = ["Broker", "announcements", "publish", "state_of"]

FRESH_S, RARE_FRESH_S = 10.0, 600.0


@dataclass(frozen=True)
class Broker:
    """Where to publish; `password` is never logged nor shown."""

    host: str
    port: int = 1883
    username: str | None = None
    password: str | None = None
    tls: bool = False
    prefix: str = "homeassistant"

    def __post_init__(self) -> None:
        if not self.host or not 0 < self.port < 65536:
            raise InputError(f"an MQTT broker needs a host and a port 1 to 65535, not {self.port}")

    def __repr__(self) -> str:
        return f"Broker({self.host}:{self.port})"


@dataclass(frozen=True)
class _Sensor:
    key: str
    name: str
    unit: str | None = None
    device_class: str | None = None
    state_class: str | None = "measurement"
    icon: str | None = None


_SENSORS = (
    _Sensor("cps", "Count rate", "cps", icon="mdi:pulse"),
    _Sensor("dose_usv_h", "Dose rate", "µSv/h", icon="mdi:radioactive"),
    _Sensor("temperature_c", "Temperature", "°C", "temperature"),
    _Sensor("battery_percent", "Battery", "%", "battery"),
    _Sensor("verdict", "Verdict", state_class=None, icon="mdi:atom"),
    _Sensor("nuclides", "Nuclides", state_class=None, icon="mdi:atom"),
)


def _identity(update: Update) -> str:
    serial = update.health.device.serial or "radiacode"
    return re.sub(r"[^A-Za-z0-9]+", "_", serial).strip("_").lower()


def state_of(update: Update) -> dict[str, Any]:
    """The JSON object of one beat."""
    health, decision = update.health, update.decision
    return {
        "time_s": update.time_s,
        "state": health.state,
        "cps": _fresh(update.cps, FRESH_S),
        "dose_usv_h": _fresh(update.dose_usv_h, FRESH_S),
        "temperature_c": _fresh(health.temperature_c, RARE_FRESH_S),
        "battery_percent": _fresh(health.battery_percent, RARE_FRESH_S),
        "verdict": decision.verdict,
        "nuclides": ", ".join(decision.nuclides) or "none",
        "stable": decision.stable,
    }


def _fresh(measured: Rate | Aged, most_s: float) -> float | None:
    if measured.value is None or measured.age_s is None or measured.age_s > most_s:
        return None
    return float(f"{measured.value:.5g}")


def announcements(update: Update, prefix: str = "homeassistant") -> Iterator[tuple[str, str]]:
    """Topics and payloads of Home Assistant's MQTT discovery, one for each sensor."""
    name, info = _identity(update), update.health.device
    device = {
        "identifiers": [f"blackett_{name}"], "name": info.model or "RadiaCode",
        "manufacturer": "RadiaCode", "model": info.model, "sw_version": info.firmware,
    }  # fmt: skip
    for sensor in _SENSORS:
        config = {
            "name": sensor.name,
            "unique_id": f"blackett_{name}_{sensor.key}",
            "state_topic": f"blackett/{name}/state",
            "value_template": f"{{{{ value_json.{sensor.key} }}}}",
            "availability_topic": f"blackett/{name}/available",
            "unit_of_measurement": sensor.unit,
            "device_class": sensor.device_class,
            "state_class": sensor.state_class,
            "icon": sensor.icon,
            "device": device,
        }
        given = {key: value for key, value in config.items() if value is not None}
        yield f"{prefix}/sensor/blackett_{name}/{sensor.key}/config", json.dumps(given)


def publish(session: LiveSession, broker: Broker) -> Iterator[Update]:
    """Publish each second's update of a running session; yields what was published.

    Reconnects by itself. Raises MissingExtraError without paho-mqtt, BlackettError if the broker
    cannot be reached at the start or refuses.
    """
    client: Any = None
    sequence, published_s = 0, -1e9
    try:
        while True:
            update = session.wait(sequence, 5.0)
            if update is None:
                continue
            sequence = update.sequence
            if update.time_s - published_s < 1.0 or not update.health.device.serial:
                continue
            if client is None:
                client = _connected(broker, update)
            published_s = update.time_s
            available = "online" if update.health.state == "connected" else "offline"
            topic = f"blackett/{_identity(update)}"
            client.publish(f"{topic}/state", json.dumps(state_of(update)))
            client.publish(f"{topic}/available", available, retain=True)
            yield update
    finally:
        if client is not None:
            client.disconnect()
            client.loop_stop()


def _connected(broker: Broker, update: Update) -> Any:
    try:
        from paho.mqtt.client import Client
        from paho.mqtt.enums import CallbackAPIVersion
    except ImportError:
        raise MissingExtraError("paho-mqtt", "mqtt", "publishing over MQTT") from None
    client = Client(CallbackAPIVersion.VERSION2)
    if broker.username is not None:
        client.username_pw_set(broker.username, broker.password)
    if broker.tls:
        client.tls_set()
    client.will_set(f"blackett/{_identity(update)}/available", "offline", retain=True)

    def announce(*_: Any) -> None:
        for topic, payload in announcements(update, broker.prefix):
            client.publish(topic, payload, retain=True)

    client.on_connect = announce
    try:
        client.connect(broker.host, broker.port, keepalive=30)
    except OSError as error:
        raise BlackettError(
            f"the MQTT broker {broker.host}:{broker.port} cannot be reached: {error}"
        ) from None
    client.loop_start()
    return client
