"""Settings as frozen dataclasses, read from TOML: one definition for Python, files and hashes."""

from __future__ import annotations

import hashlib
import json
import tomllib
from dataclasses import asdict, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from blackett.errors import InputError

__all__ = ["read_settings", "settings_from_toml", "settings_hash"]

T = TypeVar("T")


def read_settings(kind: type[T], path: str | Path) -> T:
    """A record from a TOML file; raises InputError if it cannot be read or breaks a rule."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read: {error}") from error
    return settings_from_toml(kind, text, str(path))


def settings_from_toml(kind: type[T], text: str, place: str = "settings") -> T:
    """A record from TOML text; what it does not name keeps its default.

    Raises InputError for text that is no TOML, an unknown name or a value of the wrong type.
    """
    try:
        given = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{place}: is not TOML: {error}") from error
    built: T = _built(kind, given, place)
    return built


def settings_hash(record: Any) -> str:
    """SHA-256 of all settings of a record, hexadecimal."""
    return hashlib.sha256(json.dumps(asdict(record), sort_keys=True).encode()).hexdigest()


def _built(kind: Any, given: dict[str, Any], place: str) -> Any:
    hints = get_type_hints(kind)
    unknown = sorted(set(given) - {f.name for f in fields(kind)})
    if unknown:
        raise InputError(f"{place}: unknown {unknown}; known: {sorted(hints)}")
    values = {n: _value(hints[n], v, f"{place}: {n}") for n, v in given.items()}
    try:
        return kind(**values)
    except TypeError as error:
        raise InputError(f"{place}: {error}") from error


def _value(kind: Any, value: Any, place: str) -> Any:
    if is_dataclass(kind):
        if not isinstance(value, dict):
            raise InputError(f"{place} = {value!r}: must be a table")
        return _built(kind, value, place)
    if get_origin(kind) is tuple:
        return _listed(get_args(kind), value, place)
    if get_origin(kind) is Literal:
        if value not in get_args(kind):
            raise InputError(f"{place} = {value!r}: must be one of {get_args(kind)}")
        return value
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is not kind:
        raise InputError(f"{place} = {value!r}: must be of type {kind.__name__}")
    return value


def _listed(parts: tuple[Any, ...], value: Any, place: str) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise InputError(f"{place} = {value!r}: must be a list")
    if parts[-1] is Ellipsis:
        return tuple(_value(parts[0], v, place) for v in value)
    if len(value) != len(parts):
        raise InputError(f"{place} = {value!r}: must be a list of {len(parts)} values")
    return tuple(_value(k, v, place) for k, v in zip(parts, value, strict=True))
