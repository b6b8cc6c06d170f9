"""The documentation against the package: links lead somewhere, commands parse, programs exist."""

from __future__ import annotations

import re
import shlex
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import tyro

from blackett.cli import VERBS

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("*/README.md"),
     *ROOT.glob("src/**/README.md")]
)  # fmt: skip
LINK = re.compile(r"\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as code hosts make them."""
    headings = re.findall(r"^#+ +(.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.strip().replace(" ", "-") for heading in plain}


def local_links(page: Path) -> Iterator[tuple[Path, str]]:
    """The (file, anchor) of every link of a page that stays within the project."""
    for target in LINK.findall(FENCE.sub("", page.read_text(encoding="utf-8"))):
        if not re.match(r"[a-z]+:", target):
            file, _, anchor = target.partition("#")
            yield (page.parent / file).resolve() if file else page, anchor


def shown_lines(start: str) -> list[str]:
    """Every indented line of the pages that begins with a word, without its comment."""
    lines = (line for page in PAGES for line in page.read_text(encoding="utf-8").splitlines())
    found = (re.match(rf"^ {{4,}}(?:\$ )?({start} [^#]+)", line) for line in lines)
    return sorted({match[1].strip() for match in found if match})


def words_of(command: str) -> list[str]:
    """Its words, optional ones included, the first of alternatives, and no dots for "and more"."""
    plain = re.sub(r"(?<!\.)\.\.\.", "", command.split(" | ")[0])
    plain = re.sub(r"\{([^,}]+)[^}]*\}", r"\1", plain).replace("[", " ").replace("]", " ")
    return [word.split("|")[0] for word in shlex.split(plain)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for file, anchor in local_links(page):
        assert file.exists(), f"{page.name}: there is no {file}"
        if anchor and file.suffix == ".md":
            assert anchor in anchors(file), f"{page.name}: no heading #{anchor} in {file.name}"


@pytest.mark.parametrize("command", shown_lines("blackett"))
def test_commands_parse(command: str) -> None:
    _, domain, verb, *options = words_of(command)
    module, name = VERBS[domain, verb].split(":")
    # a verb is a generator: what is parsed here is not run
    tyro.cli(getattr(import_module(module), name), args=options)


def test_there_are_commands() -> None:
    assert len(shown_lines("blackett")) > 30


@pytest.mark.parametrize("command", shown_lines("python"))
def test_programs_exist(command: str) -> None:
    assert (ROOT / command.split()[1]).is_file()
