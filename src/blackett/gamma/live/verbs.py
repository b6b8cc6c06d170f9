"""What `blackett gamma devices` does, and the lines of `blackett gamma live --jsonl`."""

from __future__ import annotations

import json
from collections.abc import Iterator  # noqa: TC003 (tyro reads the signatures)
from typing import TYPE_CHECKING, Annotated, Any

from tyro.conf import arg

from blackett.errors import Failure

if TYPE_CHECKING:
    from blackett.gamma.live.link import Found
    from blackett.gamma.live.messages import Update
    from blackett.gamma.live.session import LiveSession

__all__ = ["devices", "stream_lines"]


def devices(
    bluetooth: bool = False, as_json: Annotated[bool, arg(name="json")] = False
) -> Iterator[Any]:
    """List the RadiaCode devices that are found: on USB, and on request on Bluetooth.

    Args:
        bluetooth: Scan for Bluetooth devices, too; takes eight seconds.
        as_json: One JSON object for each device and line.
    """
    from blackett.gamma.live.link import LinkError, found_bluetooth, found_usb

    n_found, searches = 0, [found_usb, found_bluetooth] if bluetooth else [found_usb]
    for search in searches:
        try:
            found = search()
        except LinkError as error:
            yield Failure(str(error))
            continue
        n_found += len(found)
        for one in found:
            yield json.dumps(vars(one)) if as_json else _device_text(one)
    if not n_found and not as_json:
        where = "on USB or Bluetooth" if bluetooth else "on USB (--bluetooth scans for others)"
        yield f"no RadiaCode was found {where}"


def _device_text(one: Found) -> str:
    option = f"--{one.transport} {one.address}" if one.address else f"--{one.transport}"
    text = f"{one.name:<16} blackett gamma live {option}"
    return f"{text}\n  {one.note}" if one.note else text


def stream_lines(
    session: LiveSession, spectra: bool = False, stop_after_s: float | None = None
) -> Iterator[str]:
    """One JSON object for each update of a running session, until it is stopped or interrupted.

    `spectra` adds the arrays of counts; without them a line is 1 to 3 kB. `stop_after_s` ends
    after this many seconds of the session's own time.
    """
    sequence, begin_s = 0, None
    while True:
        if session.wait(sequence, 5.0) is None:
            continue
        for update in session.updates(sequence):
            sequence = update.sequence
            begin_s = update.time_s if begin_s is None else begin_s
            yield json.dumps(_record(update, spectra))
            if stop_after_s is not None and update.time_s - begin_s >= stop_after_s:
                return


def _record(update: Update, spectra: bool) -> dict[str, Any]:
    record = update.to_dict()
    if spectra:
        return record
    del record["waterfall"], record["history"], record["fit"]
    for name in ("since_start", "window", "stretch"):
        if record[name] is not None:
            counts = record[name].pop("counts")
            record[name]["total_counts"] = sum(counts)
    return record
