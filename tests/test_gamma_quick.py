"""The whole path of a user's own network: train, calibrate, export, evaluate, through the verbs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("lightning")
pytestmark = pytest.mark.xdist_group("learn")

QUICK = Path(__file__).parents[1] / "recipes" / "gamma" / "quick.toml"


def test_quick_recipe_from_training_to_report(tmp_path: Path) -> None:
    from blackett.gamma.evaluate.verbs import evaluate
    from blackett.gamma.train.verbs import train
    from blackett.learn.model import sha256_of

    folder, out = tmp_path / "quick", tmp_path / "report"
    said = list(train(QUICK, folder, test=True))
    assert "calibrating" in said
    network = folder / "network.onnx"
    card = json.loads((folder / "network.json").read_text(encoding="utf-8"))
    assert card["name"] == "quick-test"
    assert card["sha256"] == sha256_of(network)
    assert card["recipe"]["data"]["invented_share"] > 0.0
    matrix = card["confusion_matrix"]
    assert matrix["labels"] == [*card["sources"], "nothing"]
    assert len(matrix["counts"]) == len(matrix["counts"][0]) == len(card["sources"]) + 1
    list(train(QUICK, folder, test=True, calibrate=True))
    again = json.loads((folder / "network.json").read_text(encoding="utf-8"))
    assert again["calibration"]["data"]["batch"] == 256
    for name in ("sha256", "training", "confidence", "scores"):
        assert again[name] == card[name]
    shown = list(
        evaluate(
            out, ("net", "nnls"), trials=20, backgrounds=100, detections=20, false_alarm=0.03,
            stress=False, network=network,
        )
    )  # fmt: skip
    assert shown[-1] == f"{out / 'report.html'}"
    noted = json.loads((out / "report.json").read_text(encoding="utf-8"))
    assert noted["provenance"]["net_network"].endswith(card["sha256"][:10])
    scores = noted["equal_false_alarms"]["counts-10000"]
    assert scores.keys() == {"net", "nnls"}
    assert all(0.0 <= s["micro_f1"]["value"] <= 1.0 for s in scores.values())
