"""Typed reading of a JSON document that collects every fault with its path."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from shared.errors import ConfigFault

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


class Faults:
    """Faults found so far, and the environment that `${NAME}` takes its values from."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.environment = environment
        self.found: list[ConfigFault] = []

    def add(self, path: str, message: str) -> None:
        """Note a fault."""
        self.found.append(ConfigFault(path, message))

    def expand(self, text: str, path: str) -> str:
        """Replace every `${NAME}` by its value; one that is not set is a fault."""
        for name in _VARIABLE.findall(text):
            if not self.environment.get(name):
                self.add(path, f"the environment variable {name} is not set")
        return _VARIABLE.sub(lambda match: self.environment.get(match[1], ""), text)


class Section:
    """One object of the document.

    Every getter notes a fault and returns its default when the value is unusable, so that one
    reading finds all faults.
    """

    def __init__(self, fields: Mapping[str, Any], path: str, faults: Faults) -> None:
        self.fields = fields
        self.path = path
        self.faults = faults

    def at(self, name: str) -> str:
        """Path of a key of this object."""
        return f"{self.path}.{name}" if self.path else name

    def fault(self, name: str, message: str) -> None:
        """Note a fault of one key."""
        self.faults.add(self.at(name), message)

    def known(self, *names: str) -> None:
        """Note a fault for every key that is none of `names`, with the nearest one."""
        for key in self.fields:
            if key not in names:
                near = difflib.get_close_matches(key, names, n=1, cutoff=0.5)
                hint = f"did you mean `{near[0]}`?" if near else f"known: {', '.join(names)}"
                self.fault(key, f"unknown key; {hint}")

    def text(self, name: str, default: str | None = None, *, required: bool = False) -> str | None:
        """A string that is not empty, `${NAME}` replaced."""
        value = self._present(name, required=required)
        if value is None:
            return default
        if not isinstance(value, str) or not value:
            self.fault(name, "must be a string that is not empty")
            return default
        return self.faults.expand(value, self.at(name))

    def choice(self, name: str, allowed: tuple[str, ...], default: str | None) -> str | None:
        """One of a few words."""
        value = self.text(name, default)
        if value is not None and value not in allowed:
            self.fault(name, f"must be one of {', '.join(allowed)}")
            return default
        return value

    def boolean(self, name: str, *, default: bool) -> bool:
        """True or false."""
        value = self.fields.get(name, default)
        if not isinstance(value, bool):
            self.fault(name, "must be true or false")
            return default
        return value

    def integer(self, name: str, default: int | None, low: int, high: int) -> int | None:
        """An integer within bounds."""
        value = self.fields.get(name)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            self.fault(name, f"must be an integer between {low} and {high}")
            return default
        return value

    def number(self, name: str, *, required: bool = False) -> Decimal | None:
        """A finite number, 0 or more, exact as written."""
        value = self._present(name, required=required)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | Decimal) or value < 0:
            self.fault(name, "must be a number, 0 or more")
            return None
        return Decimal(value)

    def section(self, name: str) -> Section:
        """An object; an empty one when it is absent or none."""
        value = self.fields.get(name)
        if value is not None and not isinstance(value, dict):
            self.fault(name, "must be an object")
        return Section(value if isinstance(value, dict) else {}, self.at(name), self.faults)

    def sections(self, name: str) -> Iterator[Section]:
        """The objects of a list."""
        value = self.fields.get(name)
        if value is not None and not isinstance(value, list):
            self.fault(name, "must be a list")
            return
        for index, item in enumerate(value or ()):
            path = f"{self.at(name)}[{index}]"
            if isinstance(item, dict):
                yield Section(item, path, self.faults)
            else:
                self.faults.add(path, "must be an object")

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of strings that are not empty."""
        value = self.fields.get(name)
        if value is None:
            return ()
        if not isinstance(value, list) or not all(isinstance(v, str) and v for v in value):
            self.fault(name, "must be a list of strings")
            return ()
        return tuple(value)

    def _present(self, name: str, *, required: bool) -> object:
        value: object = self.fields.get(name)
        if value is None and required:
            self.fault(name, "is missing")
        return value
