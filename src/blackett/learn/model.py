"""A trained network on disk: an ONNX file and its card, read without torch.

The card is a JSON object that says what the network is: the SHA-256 of the ONNX file, what it was
trained on, how, when, how long, its calibration and its scores. A file that is not the card's is
refused.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from blackett.errors import FileFormatError, InputError
from blackett.files import write_whole

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import onnxruntime

__all__ = ["FORMAT", "Model", "sha256_of", "write_card"]

FORMAT = "blackett network card 1"
_KINDS = {"tensor(float)": np.float32, "tensor(int64)": np.int64}


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write_card(path: Path, onnx: Path, facts: Mapping[str, Any]) -> Path:
    """Write the card of an ONNX file: the facts, with format and SHA-256 put first."""
    card = {"format": FORMAT, "sha256": sha256_of(onnx), **facts}
    write_whole(path, (json.dumps(card, indent=1) + "\n").encode())
    return path


@dataclass(frozen=True, eq=False)
class Model:
    """A network that answers, on one thread, and its card."""

    card: Mapping[str, Any]
    session: onnxruntime.InferenceSession

    @classmethod
    def load(cls, onnx: Path, card: Path, threads: int = 1) -> Model:
        """Read a network; raises FileFormatError for a missing, broken or foreign file."""
        described = _read_card(card)
        try:
            content = onnx.read_bytes()
        except OSError as error:
            raise FileFormatError(str(onnx), "", f"cannot be read: {error.strerror}") from error
        found = hashlib.sha256(content).hexdigest()
        if found != described["sha256"]:
            raise FileFormatError(
                str(onnx), "", f"SHA-256 {found} is not that of its card, {described['sha256']}"
            )
        return cls(described, _session(content, onnx, threads))

    def run(self, *inputs: np.ndarray) -> dict[str, np.ndarray]:
        """Outputs by name for inputs (n, ...) in the order of the network, cast to its types.

        Raises InputError for inputs of another number or shape; the first axis is free, as is any
        other that the network gives a name instead of a length.
        """
        wanted = self.session.get_inputs()
        if len(inputs) != len(wanted) or not all(
            _fits(given.shape, want.shape) for given, want in zip(inputs, wanted, strict=False)
        ):
            shapes = [tuple(i.shape) for i in inputs]
            raise InputError(f"inputs {shapes}; the network takes {[w.shape for w in wanted]}")
        given = {w.name: np.asarray(i, _KINDS[w.type]) for w, i in zip(wanted, inputs, strict=True)}
        names = [o.name for o in self.session.get_outputs()]
        return dict(zip(names, self.session.run(names, given), strict=True))


def _fits(shape: tuple[int, ...], wanted: Sequence[int | str | None]) -> bool:
    """Whether an input has the axes that the network wants."""
    return len(shape) == len(wanted) and all(
        not isinstance(want, int) or length == want
        for length, want in zip(shape[1:], wanted[1:], strict=True)
    )


def _read_card(path: Path) -> Mapping[str, Any]:
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise FileFormatError(str(path), "", f"cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise FileFormatError(str(path), "", f"is not JSON: {error}") from error
    if not isinstance(card, dict) or card.get("format") != FORMAT or "sha256" not in card:
        raise FileFormatError(str(path), "", f"is not a {FORMAT!r}")
    return card


def _session(content: bytes, onnx: Path, threads: int) -> onnxruntime.InferenceSession:
    # its official builds tell their maker of every start, and read this before they are loaded
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = threads
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise FileFormatError(str(onnx), "", f"is not a network: {error}") from error
