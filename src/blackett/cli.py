"""The command line: one table from verbs to functions. The only module that prints.

A verb is a generator. It yields what to show (text or a rich renderable) and `Failure`s; raising a
BlackettError ends it. Exit status: 0, 1 when something failed, 2 for wrong usage.
"""

from __future__ import annotations

import importlib
import os
import sys
from typing import TYPE_CHECKING, Any

import blackett
from blackett.errors import BlackettError, Failure, InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

__all__ = ["VERBS", "main"]

VERBS = {
    ("alphag", "evaluate"): "blackett.alphag.evaluate.verbs:evaluate",
    ("alphag", "gravity"): "blackett.alphag.gravity.verbs:gravity",
    ("alphag", "reconstruct"): "blackett.alphag.verbs:reconstruct",
    ("alphag", "simulate"): "blackett.alphag.verbs:simulate",
    ("alphag", "systematics"): "blackett.alphag.systematics.verbs:systematics",
    ("alphag", "train"): "blackett.alphag.train.verbs:train",
    ("alphag", "validate"): "blackett.alphag.validate.verbs:validate",
    ("gamma", "evaluate"): "blackett.gamma.evaluate.verbs:evaluate",
    ("gamma", "devices"): "blackett.gamma.live.verbs:devices",
    ("gamma", "identify"): "blackett.gamma.verbs:identify",
    ("gamma", "live"): "blackett.gamma.live.server_verbs:live",
    ("gamma", "response"): "blackett.gamma.verbs:response",
    ("gamma", "serve"): "blackett.gamma.live.server_verbs:serve",
    ("gamma", "simulate"): "blackett.gamma.dataset_verbs:simulate",
    ("gamma", "sources"): "blackett.gamma.verbs:sources",
    ("gamma", "train"): "blackett.gamma.train.verbs:train",
}
SUMMARIES = {
    ("alphag", "evaluate"): "compare methods of vertex reconstruction on the same events",
    ("alphag", "gravity"): "error budget of the gravity measurement, by method",
    ("alphag", "reconstruct"): "reconstruct the vertex of every event",
    ("alphag", "simulate"): "simulate events in the radial time projection chamber",
    ("alphag", "systematics"): "what uncertain settings do to every reconstruction",
    ("alphag", "train"): "train a network for the vertex",
    ("alphag", "validate"): "check vertices and tracks without truth, as on measured events",
    ("gamma", "evaluate"): "compare methods on the same simulated spectra",
    ("gamma", "devices"): "the RadiaCode devices on USB, and on request on Bluetooth",
    ("gamma", "identify"): "name the radionuclides in spectrum files",
    ("gamma", "live"): "watch a RadiaCode (or an emulated one) in a web page",
    ("gamma", "response"): "what the detector makes of one photon energy",
    ("gamma", "serve"): "the web page for spectrum files",
    ("gamma", "simulate"): "simulate labelled spectra into a data set for training",
    ("gamma", "sources"): "the reportable sources, or one of them with its lines",
    ("gamma", "train"): "train the network that names radionuclides",
}


def usage() -> str:
    """The text of `blackett --help`."""
    lines = ["usage: blackett DOMAIN VERB [options]", ""]
    lines += [f"  blackett {' '.join(verb):<18} {SUMMARIES[verb]}" for verb in VERBS]
    lines += ["", "blackett DOMAIN VERB --help tells the options; blackett --version the version"]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; returns the exit status."""
    # matrices here are small: threads of the linear algebra only wait for each other. Before numpy.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words in ([], ["-h"], ["--help"]):
        print(usage())
        return 0 if words else 2
    if words == ["--version"]:
        print(f"blackett {blackett.__version__}")
        return 0
    verb = (words[0], words[1]) if len(words) > 1 else (words[0], "")
    if verb not in VERBS:
        print(f"blackett: there is no verb {' '.join(words[:2])!r}\n\n{usage()}", file=sys.stderr)
        return 2
    try:
        return _run(_function(VERBS[verb]), verb, words[2:])
    except BlackettError as error:
        print(f"blackett: {error}", file=sys.stderr)
        return 2 if isinstance(error, InputError) else 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # the reader of our output has gone: nothing more to say, and nothing for Python to flush
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _function(place: str) -> Callable[..., Iterable[Any]]:
    module, name = place.split(":")
    function: Callable[..., Iterable[Any]] = getattr(importlib.import_module(module), name)
    return function


def _run(function: Callable[..., Iterable[Any]], verb: tuple[str, str], words: list[str]) -> int:
    import tyro

    status = 0
    shown = tyro.cli(function, args=words, prog=f"blackett {verb[0]} {verb[1]}")
    for piece in shown:
        if isinstance(piece, Failure):
            status = 1
            if piece.text:
                print(f"blackett: {piece.text}", file=sys.stderr)
        elif isinstance(piece, str):
            print(piece, flush=True)
        else:
            _print_rich(piece)
    return status


def _print_rich(renderable: Any) -> None:
    from rich.console import Console

    Console().print(renderable)
