"""From a fitted network to an ONNX file that runs without torch."""

from __future__ import annotations

import logging
import warnings
from typing import TYPE_CHECKING

from blackett.errors import MissingExtraError

try:
    import torch
except ImportError as error:
    raise MissingExtraError("torch", "train", "exporting a network") from error

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["save_onnx"]


def save_onnx(
    network: torch.nn.Module,
    examples: Sequence[torch.Tensor],
    inputs: Sequence[str],
    outputs: Sequence[str],
    path: Path,
    lengths: Sequence[Sequence[str]] = (),
) -> Path:
    """Write a network as ONNX, weights inside, with the first axis of all inputs of any length.

    `examples` are inputs with two rows or more; the outputs of the network are a tuple in the
    order of `outputs`. Where inputs differ in length, `lengths` names the first axis (or axes) of
    each; axes of one name are of one length. The file is written aside and renamed.
    """
    network.eval()
    aside = path.with_suffix(".part")
    names = lengths or [("rows",)] * len(examples)
    axes = {name: torch.export.Dim(name, min=1) for each in names for name in each}
    level = logging.getLogger("torch.onnx").level
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # the exporter warns of its own parts
        program = torch.onnx.export(
            network, tuple(examples), dynamo=True, verbose=False,
            input_names=list(inputs), output_names=list(outputs),
            dynamic_shapes=tuple({i: axes[n] for i, n in enumerate(each)} for each in names),
        )  # fmt: skip
        assert program is not None  # noqa: S101 (None only without dynamo)
        program.save(str(aside), include_initializers=True, external_data=False)
    _without_traces(aside)
    logging.getLogger("torch.onnx").setLevel(level)
    aside.replace(path)
    return path


def _without_traces(path: Path) -> None:
    """Remove the exporter's notes on where in whose files each operation was written."""
    import onnx

    model = onnx.load(path)
    graph = model.graph
    for part in (*graph.node, *graph.value_info, *graph.input, *graph.output, *graph.initializer):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    graph.ClearField("metadata_props")
    onnx.save(model, path)
