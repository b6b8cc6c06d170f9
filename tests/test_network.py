"""The shipped network without torch: what it names and refuses, batches like single spectra."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from blackett.errors import FileFormatError, InputError
from blackett.gamma import network as networks
from blackett.gamma.network import MOST_ROWS, SHIPPED, Network, load, misfit
from blackett.gamma.preparation import BINS, FEATURES, GENERIC, counts_of, prepare
from blackett.gamma.sources import observable_sources, registry_hash
from simulated import perfect_unit, spectrum

DATA = Path(__file__).parents[1] / "src" / "blackett" / "gamma" / "data"


@pytest.fixture(scope="module")
def network() -> Network:
    return load()


@pytest.fixture(scope="module")
def room():
    return spectrum(32, {}, 3600.0, perfect_unit())


def test_the_runtime_tells_nobody_of_its_start(tmp_path: Path) -> None:
    """onnxruntime reports to its maker unless told not to, and keeps an identifier for that."""
    code = "from blackett.gamma.network import load; load(); import time; time.sleep(1.0)"
    home = {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    subprocess.run([sys.executable, "-c", code], env=os.environ | home, check=True)
    kept = [path for path in tmp_path.rglob("*") if "blackett" not in path.parts]
    assert not any("Microsoft" in path.parts or "onnxruntime" in path.name for path in kept)


def test_the_shipped_network_fits_the_registry_and_its_card(network: Network) -> None:
    card = json.loads((DATA / SHIPPED).with_suffix(".json").read_text(encoding="utf-8"))
    assert network.sources == tuple(s.name for s in observable_sources())
    assert card["registry_sha256"] == registry_hash()
    assert network.sha256 == card["sha256"]
    assert card["parameters"] < 2_000_000
    assert card["training"]["spectra_simulated"] > 100_000
    assert (DATA / SHIPPED).stat().st_size < 8_000_000


def test_hash_of_the_registry_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    fresh = networks._registry_hash.__wrapped__
    assert fresh() == registry_hash()
    (kept,) = (tmp_path / "blackett").glob("registry-*.npz")
    # what has been kept is not worked out again, a damaged file is
    with monkeypatch.context() as patch:
        patch.setattr(networks, "registry_hash", lambda: "another")
        assert fresh() == registry_hash()
        kept.write_bytes(b"not a file of arrays")
        assert fresh() == "another"


@pytest.mark.parametrize("name", ["Cs-137", "Co-60", "Am-241", "Eu-152", "Th-232", "K-40"])
def test_clear_sources_are_named(network: Network, room, name: str) -> None:
    measured = spectrum(41, {name: 20.0}, 1800.0, perfect_unit()).with_background(room)
    found = network.predict([measured])
    column = network.sources.index(name)
    assert found.declared(1e-3)[0, column]
    assert found.probability[0, column] > 0.9
    assert np.argmax(found.probability[0]) == column
    assert found.sets(0.9)[0, column]


def test_a_background_is_left_unnamed(network: Network, room) -> None:
    again = spectrum(33, {}, 1800.0, perfect_unit())
    assert network.predict([again.with_background(room)]).named(0) == []
    assert network.predict([again]).named(0) == []


def test_net_rate_is_near_the_truth(network: Network, room) -> None:
    measured = spectrum(42, {"Cs-137": 20.0}, 3600.0, perfect_unit()).with_background(room)
    found = network.predict([measured])
    column = network.sources.index("Cs-137")
    assert found.net_cps[0, column] == pytest.approx(20.0, rel=0.3)
    low, high = found.net_cps_interval(0.95)
    narrow_low, narrow_high = found.net_cps_interval(0.68)
    assert low[0, column] < narrow_low[0, column] < narrow_high[0, column] < high[0, column]
    assert found.net_cps_sigma[0, column] > 0


def test_one_by_one_gives_the_same_as_together(network: Network, room) -> None:
    made = [spectrum(seed, {"Co-60": 3.0}, 600.0, perfect_unit()) for seed in range(50, 54)]
    together = network.predict(made)
    alone = [network.predict([one]) for one in made]
    np.testing.assert_allclose(together.logit, np.concatenate([a.logit for a in alone]), atol=1e-4)
    assert not together.logit.flags.writeable


def test_more_rows_than_a_piece(network: Network, room) -> None:
    features = np.repeat(prepare([room]), MOST_ROWS + 3, axis=0)
    found = network.answer(features, np.full(MOST_ROWS + 3, 3600.0))
    np.testing.assert_allclose(found.logit[-1], found.logit[0], atol=1e-4)


def test_misfit_is_one_for_counting_noise() -> None:
    rng = np.random.default_rng(1)
    mean = np.full((200, BINS), 50.0)
    features = np.zeros((200, FEATURES), np.float32)
    counts = rng.poisson(mean)
    total = counts.sum(axis=1)
    features[:, :BINS] = np.sqrt(BINS * counts / total[:, None])
    features[:, 3 * BINS] = np.log10(total + 1.0) - 3.0
    shape = np.sqrt(BINS * mean / mean.sum(axis=1)[:, None])
    assert misfit(features, shape).mean() == pytest.approx(1.0, abs=0.03)
    assert counts_of(features) == pytest.approx(total)


def test_what_it_does_not_know_is_refused(network: Network, room) -> None:
    with pytest.raises(InputError, match="no spectrum given"):
        network.predict([])
    with pytest.raises(InputError, match="no network knows detector 'hpge'"):
        network.predict([room], "hpge")
    with pytest.raises(InputError, match="name of their detector"):
        network.predict([room], np.array([GENERIC]))
    with pytest.raises(InputError, match=r"false-alarm rate 0.5: the card keeps"):
        network.predict([room]).declared(0.5)


@pytest.mark.parametrize("key", ["registry_sha256", "layout_sha256"])
def test_another_registry_or_layout_is_refused(tmp_path: Path, key: str) -> None:
    onnx = shutil.copy(DATA / SHIPPED, tmp_path / "a.onnx")
    card = json.loads((DATA / SHIPPED).with_suffix(".json").read_text(encoding="utf-8"))
    card[key] = "0" * 64
    (tmp_path / "a.json").write_text(json.dumps(card), encoding="utf-8")
    with pytest.raises(FileFormatError, match=f"{key} is 000"):
        load(Path(onnx))


def test_changed_weights_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.onnx").write_bytes((DATA / SHIPPED).read_bytes() + b" ")
    shutil.copy((DATA / SHIPPED).with_suffix(".json"), tmp_path / "a.json")
    with pytest.raises(FileFormatError, match="SHA-256"):
        load(tmp_path / "a.onnx")


def test_a_network_without_calibration_is_refused(tmp_path: Path) -> None:
    onnx = shutil.copy(DATA / SHIPPED, tmp_path / "a.onnx")
    card = json.loads((DATA / SHIPPED).with_suffix(".json").read_text(encoding="utf-8"))
    del card["confidence"]
    (tmp_path / "a.json").write_text(json.dumps(card), encoding="utf-8")
    with pytest.raises(FileFormatError, match="has not been calibrated"):
        load(Path(onnx))


def test_no_torch_is_needed() -> None:
    code = (
        "import sys, numpy as np; from blackett.gamma.network import load;"
        "from blackett.gamma.preparation import FEATURES;"
        "load().answer(np.zeros((1, FEATURES), np.float32), np.ones(1));"
        "print('torch' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "False"
