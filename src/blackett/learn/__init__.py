"""Fitting, exporting and calibrating networks; nothing here knows of photons or tracks.

    fit(network, loss, batch_at, Settings(steps=1000, steps_per_epoch=100), folder)
    save_onnx(network, (example,), names, folder / "model.onnx")
    Model.load(folder / "model.onnx", folder / "model.json").run(features)

Names load on first use: `Settings`, `Model` and the calibration need no torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from blackett.lazy import on_first_use

if TYPE_CHECKING:
    from blackett.learn.calibration import (
        Isotonic,
        conformal_quantile,
        expected_calibration_error,
        reliability,
        temperature,
        threshold_at,
    )
    from blackett.learn.curves import save_curves
    from blackett.learn.export import save_onnx
    from blackett.learn.fitting import Fitted, fit
    from blackett.learn.model import Model, write_card
    from blackett.learn.settings import Settings

_HOME = {
    "Fitted": "fitting",
    "Isotonic": "calibration",
    "Model": "model",
    "Settings": "settings",
    "conformal_quantile": "calibration",
    "expected_calibration_error": "calibration",
    "fit": "fitting",
    "reliability": "calibration",
    "save_curves": "curves",
    "save_onnx": "export",
    "temperature": "calibration",
    "threshold_at": "calibration",
    "write_card": "model",
}
__all__ = [
    "Fitted",
    "Isotonic",
    "Model",
    "Settings",
    "conformal_quantile",
    "expected_calibration_error",
    "fit",
    "reliability",
    "save_curves",
    "save_onnx",
    "temperature",
    "threshold_at",
    "write_card",
]

__getattr__ = on_first_use(__name__, _HOME)


def __dir__() -> list[str]:
    return __all__
