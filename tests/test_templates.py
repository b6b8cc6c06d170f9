"""The library of templates: shapes, places of peaks, identity, and its cache."""

from __future__ import annotations

import ast
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from blackett.gamma import templates
from blackett.gamma.cachefile import content_hash
from blackett.gamma.detector import detector
from blackett.gamma.folding import lines_of
from blackett.gamma.sources import observable_sources, source
from blackett.gamma.templates import CONTINUUM, Library, building, cache

PACKAGE = Path(templates.__file__).parents[1]
RC103 = detector("radiacode-103")


@pytest.fixture(scope="module")
def library() -> Library:
    return templates.library("radiacode-103")


def energies(of: Library) -> np.ndarray:
    return (np.arange(of.fluorescence.shape[2]) * of.grid_step) ** 2


def columns(of: Library) -> np.ndarray:
    """All columns, (N, L, G + 1)."""
    return of.columns(range(len(of.source_of)))


def density(of: Library, name: str, width: int) -> np.ndarray:
    """Counts per keV of a source's first column."""
    column = of.columns(of.columns_of(name)[:1])[0, width]
    return np.diff(column) / np.diff(energies(of))


def test_every_observable_source_has_columns(library: Library) -> None:
    names = {s.name for s in observable_sources()} | {CONTINUUM}
    assert set(library.source_of) == names
    n = len(library.source_of)
    assert columns(library).shape[0] == len(library.look_of) == n
    assert library.counts_per_decay.shape == library.log_prior.shape == (n,)
    assert list(library.is_continuum) == [look is None for look in library.look_of]
    assert np.all(library.counts_per_decay > 0.0)
    assert library.log_prior.max() == 0.0


def test_columns_are_cumulative_and_normalised(library: Library) -> None:
    floor = int(np.sqrt(RC103.range_kev[0]) / library.grid_step)
    for some in (columns(library), library.room.columns, library.fluorescence):
        assert np.all(np.isfinite(some))
        # kept in single precision: steps may round by one part in ten million
        assert np.diff(some, axis=2).min() > -1e-6
        assert np.allclose(some[:, :, -1] - some[:, :, floor], 1.0, atol=5e-6)
        assert np.abs(some[:, :, 0]).max() < 1e-9


@pytest.mark.parametrize(
    ("name", "low", "peak", "high"),
    [("Cs-137", 500, 661.657, 900), ("K-40", 1300, 1460.82, 1700), ("Am-241", 45, 59.54, 80)],
)
def test_peaks_lie_at_their_lines(
    library: Library, name: str, low: float, peak: float, high: float
) -> None:
    at = energies(library)
    centres = 0.5 * (at[1:] + at[:-1])
    inside = (centres > low) & (centres < high)
    for width in range(library.widths.size):
        counts = density(library, name, width)
        top = centres[inside][np.argmax(counts[inside])]
        assert top == pytest.approx(peak, abs=0.12 * RC103.fwhm_kev(peak))


def test_peaks_grow_wider_with_the_width_index(library: Library) -> None:
    at = energies(library)
    centres = 0.5 * (at[1:] + at[:-1])
    inside = (centres > 600) & (centres < 740)
    found = []
    for width in range(library.widths.size):
        counts = density(library, "Cs-137", width)[inside]
        above = centres[inside][counts > 0.5 * counts.max()]
        found.append(above[-1] - above[0])
        expected = library.fwhm_kev(661.657, width)
        assert found[-1] == pytest.approx(expected, abs=0.1 * expected)
    assert np.all(np.diff(found) > 0)
    assert library.fwhm_kev(661.657, library.nominal_width) == pytest.approx(
        RC103.fwhm_kev(661.657), rel=1e-3
    )


def test_shares_of_peaks_are_shares(library: Library) -> None:
    for name in ("Cs-137", "Co-60", "Ra-226"):
        lines, shares = library.peaks_of(name)
        assert lines == pytest.approx(lines_of(source(name))[0])
        assert shares.shape == (len(library.columns_of(name)), lines.size)
        assert shares.min() >= 0.0
        assert np.all(shares.sum(axis=1) < 1.0)
    assert 0.03 < library.peaks_of("Cs-137")[1][0][-1] < 0.5


def test_counts_per_decay_fall_with_the_distance(library: Library) -> None:
    column = library.columns_of("Cs-137")[0]
    here = library.counts_per_decay[column]
    assert library.counts_per_decay_at(column, templates.REFERENCE_MM) == pytest.approx(here)
    ratio = library.counts_per_decay_at(column, 505) / library.counts_per_decay_at(column, 1005)
    assert ratio == pytest.approx(4.0, rel=0.02)
    jar = next(
        c for c in library.columns_of("K-40")
        if (look := library.look_of[c]) is not None and look.scene.extended
    )  # fmt: skip
    assert library.counts_per_decay_at(jar, 500.0) == library.counts_per_decay[jar]


def test_rocks_too_large_to_see_their_other_side(library: Library) -> None:
    """Natural sources look softer in a mass of rock than in a piece of it."""
    at = int(np.sqrt(200.0) / library.grid_step)
    width = round(library.nominal_width)
    for name in ("K-40", "Ra-226", "Th-232"):
        soft = {
            look.scene.extended: float(library.by_energy[width, at, c])
            for c in library.columns_of(name)
            if (look := library.look_of[c]) is not None
        }
        assert soft["outcrop"] > soft["rock"]
    assert not any(
        look is not None and look.scene.extended == "outcrop"
        for look in (library.look_of[c] for c in library.columns_of("Cs-137"))
    )


def test_priors_follow_rarity(library: Library) -> None:
    for name in ("Cs-137", "Am-241"):
        assert library.log_prior_of(name) == templates.LOG_PRIOR[source(name).rarity]
    rare = next(s for s in observable_sources() if s.rarity == "rare")
    assert library.log_prior_of(rare.name) == templates.LOG_PRIOR["rare"] < 0.0


# --- identity ---------------------------------------------------------------------------


def test_hash_changes_with_the_registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = content_hash(cache._made_from(RC103))
    for folder in ("data", "templates"):
        (tmp_path / folder).mkdir()
    names = (*cache.MADE_FROM, "data/response-csi-10x10x10.npz")
    for name in names:
        (tmp_path / name).symlink_to(PACKAGE / name)
    monkeypatch.setattr(resources, "files", lambda _: tmp_path)
    assert content_hash(cache._made_from(RC103)) == before
    registry = tmp_path / "data" / "sources.csv"
    text = registry.read_text(encoding="utf-8")
    registry.unlink()
    registry.write_text(text.replace(",medical,rare,", ",medical,common,", 1), encoding="utf-8")
    assert content_hash(cache._made_from(RC103)) != before


def test_hash_depends_on_the_crystal() -> None:
    other = detector("radiacode-110")
    assert content_hash(cache._made_from(RC103)) != content_hash(cache._made_from(other))


def imports_at_load(path: Path) -> set[str]:
    """Modules of blackett.gamma that a module imports when it is imported, for more than types."""
    found = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("blackett.gamma."):
            found.add("/".join((node.module or "").split(".")[2:]))
        elif isinstance(node, ast.ImportFrom) and node.module == "blackett.gamma":
            found |= {alias.name for alias in node.names}
    return found


def test_hash_covers_all_code_that_templates_are_made_with() -> None:
    reached, left = set(), {"templates/building"}
    while left:
        name = left.pop()
        reached.add(name)
        left |= imports_at_load(PACKAGE / f"{name}.py") - reached
    assert {f"{name}.py" for name in reached} <= set(cache.MADE_FROM)


# --- cache ------------------------------------------------------------------------------


@pytest.fixture
def few_sources(monkeypatch: pytest.MonkeyPatch) -> None:
    """A registry of four sources, quick to build."""
    chosen = tuple(
        s for s in observable_sources() if s.name in ("Cs-137", *templates.LOCAL_CPS_PER_CM3)
    )
    monkeypatch.setattr(building, "observable_sources", lambda: chosen)


def same(one: Library, other: Library) -> bool:
    return (
        np.array_equal(columns(one), columns(other))
        and one.source_of == other.source_of
        and one.look_of == other.look_of
        and np.array_equal(one.room.columns, other.room.columns)
        and np.array_equal(one.counts_per_decay, other.counts_per_decay)
        and one.sha256 == other.sha256
    )


def test_fresh_cache_gives_the_library_in_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, library: Library
) -> None:
    """Built anew in an empty cache folder: the same; and read back, the same to the last bit.

    Sums differ in their last bits with the number of threads of the linear algebra.
    """
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    built = templates.library.__wrapped__("radiacode-103")
    files = list((tmp_path / "blackett").iterdir())
    assert [f.name for f in files] == [f"templates-radiacode-103-{library.sha256[:16]}.npz"]
    assert columns(built) == pytest.approx(columns(library), rel=1e-5, abs=1e-7)
    assert built.source_of == library.source_of
    assert built.counts_per_decay == pytest.approx(library.counts_per_decay, rel=1e-9)
    assert same(templates.library.__wrapped__("radiacode-103"), built)


def damaged(content: bytes) -> dict[str, bytes]:
    return {
        "cut": content[: len(content) // 2],
        "empty": b"",
        "text": b"not an archive",
        "directory cut": content[:-10],
        "bytes": content[:5000] + bytes(200) + content[5200:],
    }


def test_damaged_cache_is_rebuilt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, few_sources: None
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    good = templates.library.__wrapped__("radiacode-103")
    (path,) = (tmp_path / "blackett").iterdir()
    content = path.read_bytes()
    for kind, spoiled in damaged(content).items():
        path.write_bytes(spoiled)
        assert same(templates.library.__wrapped__("radiacode-103"), good), kind
        assert path.read_bytes() == content, kind


def test_unwritable_cache_is_only_slower(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, few_sources: None
) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    made = templates.library.__wrapped__("radiacode-103")
    assert set(made.source_of) == {"Cs-137", *templates.LOCAL_CPS_PER_CM3, CONTINUUM}
