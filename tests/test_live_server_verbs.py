"""`blackett gamma serve` and `blackett gamma live` as a user meets them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.xdist_group("server")
EXAMPLE = Path(__file__).parents[1] / "examples" / "simulated-cs137-radiacode-103.xml"
MAIN = [sys.executable, "-c", "import sys; from blackett.cli import main; sys.exit(main())"]
SCENE = "Cs-137 9 cps; room 7 cps"


def _interruptible() -> None:
    """As in a terminal: jobs in the background of a shell are started deaf to interrupts."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _ended(service: subprocess.Popen[str]) -> int:
    """Its exit status; a service that does not end in a minute is a failure and no hang."""
    try:
        return service.wait(60)
    except subprocess.TimeoutExpired:
        service.kill()
        raise


@contextmanager
def serving(*words: str, **environment: str) -> Iterator[str]:
    """The address that the service shows; it is interrupted at the end."""
    with subprocess.Popen(
        [*MAIN, "gamma", *words, "--port", "0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, env=os.environ | environment, preexec_fn=_interruptible,
    ) as service:  # fmt: skip
        assert service.stdout is not None
        assert service.stderr is not None
        line = service.stdout.readline()
        assert line.startswith("blackett is at http"), service.stderr.read()
        try:
            yield line.split()[3]
        finally:
            service.send_signal(signal.SIGINT)
            assert _ended(service) == 130
            assert service.stderr.read() == ""  # no token, no trace, no chatter


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*MAIN, "gamma", *words], capture_output=True, text=True)


def test_serve_shows_files_and_ends_at_once() -> None:
    with serving("serve", str(EXAMPLE)) as url:
        (file,) = httpx.get(f"{url}api/files").json()["files"]
        assert file["name"] == EXAMPLE.name
        assert httpx.get(url).headers["content-type"].startswith("text/html")


def test_beyond_this_machine_there_is_a_token() -> None:
    with serving("serve", "--address", "0.0.0.0") as url:
        place, _, token = url.partition("?token=")
        assert len(token) > 40
        assert httpx.get(f"{place}api/about").status_code == 401
        with httpx.Client(follow_redirects=True) as client:
            page = client.get(url)
            assert page.status_code == 200
            assert token not in str(page.url)
            assert client.get(f"{place}api/about").status_code == 200


def test_the_token_of_the_environment_is_used() -> None:
    with serving("serve", BLACKETT_TOKEN="a-token-of-the-environment") as url:
        assert url.endswith("?token=a-token-of-the-environment")


def test_live_serves_the_emulated_device() -> None:
    with serving("live", "--simulate", SCENE, "--speed", "4") as url:
        with httpx.stream("GET", f"{url}api/live/events", timeout=60.0) as events:
            data = next(line for line in events.iter_lines() if line.startswith("data: "))
        update = json.loads(data.removeprefix("data: "))
        assert update["health"]["device"]["transport"] == "emulated"
        assert httpx.get(f"{url}api/live/export", params={"form": "n42"}).content.startswith(
            b"<?xml"
        )


def test_live_as_json_lines() -> None:
    ran = run("live", "--simulate", SCENE, "--speed", "10", "--jsonl", "--stop-after-s", "5")
    assert ran.returncode == 0, ran.stderr
    updates = [json.loads(line) for line in ran.stdout.splitlines()]
    assert [one["sequence"] for one in updates] == list(range(1, len(updates) + 1))
    assert updates[-1]["since_start"]["total_counts"] > 0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("serve", "--token", "short"), "16"),
        (("serve", "none.xml"), "none.xml"),
        (("serve", "--address", "203.0.113.7", "--port", "0"), "203.0.113.7"),
        (("live", "--simulate", SCENE, "--jsonl", "--mqtt", "broker"), "contradict"),
        (("live", "--simulate", SCENE, "--replay", "x.xml"), "contradict"),
    ],
)
def test_wrong_usage_is_told(words: tuple[str, ...], told: str) -> None:
    ran = run(*words)
    assert ran.returncode == 2
    assert told in ran.stderr
    assert "Traceback" not in ran.stderr
