"""XML from strangers as a plain tree: expat through defusedxml first, a forgiving reader second.

Document types and entities are refused always. When expat finds the text not well formed, a
small reader takes over which mends without adding any text: a closing tag that fits no open element
closes the innermost one, a closing tag further out closes what is still open inside it, a stray
`&` or `<` is text, and what follows the root element is passed over. A text whose root element is
never closed is cut short and refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn
from xml.sax import SAXParseException
from xml.sax.handler import ContentHandler

from defusedxml.common import DefusedXmlException
from defusedxml.sax import make_parser

from blackett.gamma.formats.parsing import fail

if TYPE_CHECKING:
    from collections.abc import Iterator
    from xml.sax.xmlreader import AttributesImpl, Locator

MAX_DEPTH = 40
MAX_ELEMENTS = 500_000
MAX_TOKENS = 5 * MAX_ELEMENTS
MAX_TAG = 10_000
MAX_ATTRIBUTES = 100_000
_TOKEN = re.compile(
    r"<!--.*?-->|<!\[CDATA\[(?P<cdata>.*?)\]\]>|<\?.*?\?>|(?P<doctype><[!?])"
    r"|</(?P<end>[^\s<>/]{1,200})\s*>"
    r"|<(?P<start>[^\s<>/!?]{1,200})(?P<attributes>(?:[^<>\"']|\"[^\"<]*\"|'[^'<]*')*?)(?P<empty>/?)>"
    r"|(?P<text>[^<]+)|(?P<stray><)",
    re.DOTALL,
)
_VALUE = re.compile(r"=\s{0,9}[\"']")
_LONG_TAG = re.compile(f"<[^<>]{{{MAX_TAG}}}")
_ATTRIBUTE = re.compile(r"([^\s=/\"']{1,200})\s*=\s*(?:\"([^\"]*)\"|'([^']*)')")
_ENTITY = re.compile(r"&(?:(lt|gt|amp|quot|apos)|#(\d{1,7})|#x([0-9a-fA-F]{1,6}));", re.ASCII)
_NAMED = {"lt": "<", "gt": ">", "amp": "&", "quot": '"', "apos": "'"}


@dataclass
class Element:
    """One element: name without namespace prefix, attributes, children, own text."""

    tag: str
    line: int = 0
    attributes: dict[str, str] = field(default_factory=dict)
    children: list[Element] = field(default_factory=list)
    pieces: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """Text of the element itself, blanks at its ends removed."""
        return "".join(self.pieces).strip()

    @property
    def place(self) -> str:
        """Where it stands, for messages."""
        return f"line {self.line}, <{self.tag}>"

    def all(self, tag: str) -> list[Element]:
        """Direct children of this name."""
        return [child for child in self.children if child.tag == tag]

    def first(self, *path: str) -> Element | None:
        """First element down a path of names; None when one is missing."""
        here = self
        for tag in path:
            found = next((child for child in here.children if child.tag == tag), None)
            if found is None:
                return None
            here = found
        return here

    def need(self, *path: str) -> Element:
        """First element down a path of names; FileFormatError when one is missing."""
        found = self.first(*path)
        if found is None:
            raise fail(self.place, f"must contain <{'/'.join(path)}>")
        return found

    def string(self, *path: str) -> str:
        """Text down a path of names; empty when an element is missing."""
        found = self.first(*path)
        return found.text if found is not None else ""

    def walk(self) -> Iterator[Element]:
        """This element and all below, in document order."""
        stack = [self]
        while stack:
            here = stack.pop()
            yield here
            stack.extend(reversed(here.children))


class _Tree:
    """Builds the tree from start, text and end events, within the limits."""

    def __init__(self) -> None:
        self.root: Element | None = None
        self.open: list[Element] = []
        self.n_elements = 0

    def start(self, name: str, attributes: dict[str, str], line: int) -> None:
        self.n_elements += 1
        if self.n_elements > MAX_ELEMENTS or len(self.open) >= MAX_DEPTH:
            raise fail(
                f"line {line}", f"XML must have at most {MAX_ELEMENTS} elements, {MAX_DEPTH} deep"
            )
        element = Element(name.rpartition(":")[2], line, attributes)
        if self.open:
            self.open[-1].children.append(element)
        elif self.root is None:
            self.root = element
        else:
            raise fail(f"line {line}", "XML must have one root element")
        self.open.append(element)

    def text(self, piece: str) -> None:
        if self.open:
            self.open[-1].pieces.append(piece)


class _Handler(ContentHandler):
    def __init__(self, parser: Locator) -> None:
        super().__init__()
        self.tree = _Tree()
        self._parser = parser

    def startElement(self, name: str, attrs: AttributesImpl) -> None:  # noqa: N802
        self.tree.start(name, dict(attrs.items()), self._parser.getLineNumber() or 0)

    def endElement(self, name: str) -> None:  # noqa: N802, ARG002
        self.tree.open.pop()

    def characters(self, content: str) -> None:
        self.tree.text(content)


def parse_xml(document: str) -> tuple[Element, tuple[str, ...]]:
    """The root element, and a sentence for each thing that had to be mended.

    Raises FileFormatError for document types, entities, texts beyond the limits or without an
    element that is opened and closed.
    """
    _check_tags(document)
    parser = make_parser()
    handler = _Handler(parser)
    parser.forbid_dtd = True
    parser.setContentHandler(handler)
    body = re.sub(r"^\s*<\?xml\s[^>]*\?>", "", document)
    try:
        parser.feed(body)  # at once: expat before 2.6 is slow when a long token comes in pieces
        parser.close()
    except SAXParseException as error:
        note = f"not well-formed XML (line {error.getLineNumber()}: {error.getMessage()}), mended"
        return _forgiving(document), (note,)
    except DefusedXmlException:
        _refuse_doctype("XML")
    if handler.tree.root is None:
        raise fail("", "XML must have a root element")
    return handler.tree.root, ()


def _check_tags(document: str) -> None:
    """Refuse what makes expat itself slow: endless tags, endless attributes."""
    if _LONG_TAG.search(document):
        raise fail("", f"XML tags must have at most {MAX_TAG} characters")
    if any(i >= MAX_ATTRIBUTES for i, _ in enumerate(_VALUE.finditer(document))):
        raise fail("", f"XML must have at most {MAX_ATTRIBUTES} attributes")


def _refuse_doctype(place: str) -> NoReturn:
    raise fail(place, "XML must hold no document type, no entity and no unclosed comment")


def _forgiving(document: str) -> Element:
    tree, line = _Tree(), 1
    closed = False
    for i, token in enumerate(_TOKEN.finditer(document)):
        if i > MAX_TOKENS:
            raise fail(f"line {line}", f"XML must have at most {MAX_TOKENS} tags and texts")
        if token["doctype"]:
            _refuse_doctype(f"line {line}")
        if closed and (token["start"] or token["end"]):
            break
        _event(tree, token, line)
        closed = tree.root is not None and not tree.open
        line += token.group().count("\n")
    if tree.root is None or not closed:
        raise fail(f"line {line}", "XML is cut short: its root element is never closed")
    return tree.root


def _event(tree: _Tree, token: re.Match[str], line: int) -> None:
    if token["start"]:
        pairs = _ATTRIBUTE.findall(token["attributes"])
        tree.start(token["start"], {k: _unescaped(a or b) for k, a, b in pairs}, line)
        if token["empty"]:
            tree.open.pop()
    elif token["end"]:
        _close(tree, token["end"].rpartition(":")[2])
    elif token["cdata"] is not None:
        tree.text(token["cdata"])
    elif token["text"] or token["stray"]:
        tree.text(_unescaped(token.group()))


def _close(tree: _Tree, tag: str) -> None:
    names = [element.tag for element in tree.open]
    if not names:
        return
    keep = len(names) - 1 - names[::-1].index(tag) if tag in names else len(names) - 1
    del tree.open[keep:]


def _unescaped(raw: str) -> str:
    return _ENTITY.sub(_character, raw)


def _character(match: re.Match[str]) -> str:
    if match[1]:
        return _NAMED[match[1]]
    code = int(match[2]) if match[2] else int(match[3], 16)
    fit = code in (9, 10, 13) or 0x20 <= code < 0xD800 or 0xE000 <= code <= 0x10FFFF
    return chr(code) if fit else "\N{REPLACEMENT CHARACTER}"
