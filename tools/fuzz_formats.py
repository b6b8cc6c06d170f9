"""Throw damaged spectrum files at the readers: each must give spectra or one FileFormatError.

    scripts/fuzz [--files 20000] [--seed 1] [--limit-s 5]

Seeds are the synthetic files in tests/golden. A file is damaged by flipped bits, cuts, splices of
two files, swapped numbers, repeated or removed pieces. Any other exception, a broken rule of
`Spectrum`, a reader slower than the limit or counts that stand nowhere in the file end the run.
"""

from __future__ import annotations

import argparse
import re
import signal
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import numpy as np

from blackett.errors import FileFormatError
from blackett.gamma import formats

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from blackett.gamma.spectrum import Spectrum

GOLDEN = Path(__file__).parents[1] / "tests" / "golden"
HOSTILE = (
    b"-1", b"0", b"1e999", b"nan", b"inf", b"1.5", b"", b"9" * 30, b"9223372036854775807",
    b"4611686018427387904", b"1000000000", b"65537", b"0x10", b"1_000", b"\xd9\xa1", b"1e-320",
    b"<a>" * 60, b"[" * 60, b"&lt;", b"<!DOCTYPE x [<!ENTITY a 'b'>]>", b"\0", b"\xff\xfe", b"]]>",
)  # fmt: skip
_NUMBER = re.compile(rb"[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")


def seeds() -> list[tuple[str, bytes]]:
    """Name and content of every synthetic spectrum file."""
    files = [p for p in sorted(GOLDEN.iterdir()) if p.suffix not in {"", ".py", ".txt"}]
    return [(p.name, p.read_bytes()) for p in files]


def flip(data: bytes, rng: np.random.Generator, other: bytes) -> bytes:  # noqa: ARG001
    """Flip one to eight bits."""
    out = bytearray(data)
    for place in rng.integers(0, len(out), int(rng.integers(1, 9))):
        out[place] ^= 1 << int(rng.integers(8))
    return bytes(out)


def cut(data: bytes, rng: np.random.Generator, other: bytes) -> bytes:  # noqa: ARG001
    """Keep the beginning alone."""
    return data[: int(rng.integers(0, len(data)))]


def remove(data: bytes, rng: np.random.Generator, other: bytes) -> bytes:  # noqa: ARG001
    """Take a piece out."""
    first, last = sorted(rng.integers(0, len(data), 2).tolist())
    return data[:first] + data[last:]


def repeat(data: bytes, rng: np.random.Generator, other: bytes) -> bytes:  # noqa: ARG001
    """Repeat a piece two to twenty times."""
    first = int(rng.integers(0, len(data)))
    piece = data[first : first + int(rng.integers(1, 2000))]
    return data[:first] + piece * int(rng.integers(2, 21)) + data[first + len(piece) :]


def splice(data: bytes, rng: np.random.Generator, other: bytes) -> bytes:
    """The beginning of one file and the end of another."""
    return data[: int(rng.integers(0, len(data)))] + other[int(rng.integers(0, len(other))) :]


def swap(data: bytes, rng: np.random.Generator, other: bytes) -> bytes:  # noqa: ARG001
    """Put something hostile in the place of one to three numbers, most often an early one."""
    for _ in range(int(rng.integers(1, 4))):
        found = list(_NUMBER.finditer(data))
        if not found:
            break
        early = found[: max(1, min(40, len(found)))]
        chosen = early if rng.random() < 0.6 else found
        match = chosen[int(rng.integers(len(chosen)))]
        data = (
            data[: match.start()] + HOSTILE[int(rng.integers(len(HOSTILE)))] + data[match.end() :]
        )
    return data


def insert(data: bytes, rng: np.random.Generator, other: bytes) -> bytes:  # noqa: ARG001
    """Put something hostile anywhere."""
    place = int(rng.integers(0, len(data)))
    return data[:place] + HOSTILE[int(rng.integers(len(HOSTILE)))] + data[place:]


DAMAGE: tuple[Callable[[bytes, np.random.Generator, bytes], bytes], ...] = (
    flip, cut, remove, repeat, splice, swap, swap, insert,
)  # fmt: skip


def damaged(n_files: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """Names and contents of damaged files; the same for the same seed."""
    rng = np.random.default_rng(seed)
    whole = seeds()
    for i in range(n_files):
        name, data = whole[i % len(whole)]
        other = whole[int(rng.integers(len(whole)))][1]
        for _ in range(int(rng.choice([1, 1, 1, 2, 3]))):
            how = DAMAGE[int(rng.integers(len(DAMAGE)))]
            data = how(data, rng, other) or b"?"
        yield f"{name}:{i}:{how.__name__}", data


def _too_slow(*_: object) -> NoReturn:
    raise TimeoutError("reading took longer than the limit")


def check(name: str, data: bytes, limit_s: float) -> str:
    """Read one file within the limit; returns 'read' or 'refused', raises on anything else."""
    signal.signal(signal.SIGALRM, _too_slow)
    signal.setitimer(signal.ITIMER_REAL, limit_s)
    try:
        spectra = formats.read_bytes(data, name, others=False)
    except FileFormatError as error:
        if error.file != name or not error.rule:
            raise AssertionError(f"error without file or rule: {error}") from error
        return "refused"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    for spectrum in spectra:
        _check_counts(name, data, spectrum)
    return "read"


def _check_counts(name: str, data: bytes, spectrum: Spectrum) -> None:
    """Every count of a single spectrum must stand in the file (sums of rows excepted)."""
    if "rcspg" in name or b"Spectrogram" in data or b"spectrums" in data:
        return
    text = data.decode("utf-8", "replace").replace("\0", "")
    words = {int(w) for w in re.findall(r"\d+", text) if len(w) <= 19}
    strange = [n for n in set(spectrum.counts.tolist()) if n not in words and n != 0]
    if strange:
        raise AssertionError(f"counts {strange[:5]} stand nowhere in the file {name}")


def main() -> int:
    """Run and report; the exit status tells whether every file was handled."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--limit-s", type=float, default=5.0)
    options = parser.parse_args()
    tally: Counter[str] = Counter()
    slowest = 0.0
    for name, data in damaged(options.files, options.seed):
        begin = time.monotonic()
        try:
            verdict = check(name, data, options.limit_s)
        except BaseException:
            Path("fuzz-failure.bin").write_bytes(data)
            print(f"{name} (seed {options.seed}): kept as fuzz-failure.bin", file=sys.stderr)
            raise
        slowest = max(slowest, time.monotonic() - begin)
        tally[f"{name.split(':')[0]} {verdict}"] += 1
    for key in sorted(tally):
        print(f"{key}: {tally[key]}")
    print(f"{options.files} files, seed {options.seed}, slowest {slowest:.3f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
