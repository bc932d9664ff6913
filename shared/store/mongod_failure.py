"""Why the embedded mongod did not start, in one line that says what to do."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

DEBIAN_PACKAGES = {
    "libcurl.so.4": "libcurl4",
    "libssl.so.3": "libssl3",
    "libcrypto.so.3": "libssl3",
    "liblzma.so.5": "liblzma5",
    "libresolv.so.2": "libc6",
    "libgcc_s.so.1": "libgcc-s1",
}

_LOADER = re.compile(r"error while loading shared libraries: (\S+?):")
_TRACED = re.compile(r"^\s*(\S+) => not found", re.MULTILINE)
_FATAL = ("F", "E")


def missing_libraries(loader_output: str) -> tuple[str, ...]:
    """Shared libraries that the dynamic loader could not find, in its order, once each."""
    names = _TRACED.findall(loader_output) + _LOADER.findall(loader_output)
    return tuple(dict.fromkeys(names))


def explain_missing(libraries: tuple[str, ...]) -> str:
    """One line that names the libraries and the Debian packages that carry them."""
    packages = sorted({DEBIAN_PACKAGES.get(name, "") for name in libraries} - {""})
    remedy = f"run: apt-get install {' '.join(packages)}" if packages else "install them"
    return f"mongod needs {', '.join(libraries)}: {remedy}, or set MONGODB_URI"


def port_taken(log: str) -> bool:
    """Whether mongod ended because another process listens on its port."""
    return "address already in use" in log.lower()


def explain_log(log: str, directory: str, port: int) -> str:
    """One line for the reason found in mongod's log (JSON lines), or its last complaint."""
    lowered = log.lower()
    if port_taken(log):
        return f"port {port} on 127.0.0.1 is taken: mongod cannot listen there"
    if "no space left on device" in lowered:
        return f"the disk under {directory} is full: make room, the data is kept"
    if "dbpathinuse" in lowered:
        return f"another mongod holds the data in {directory}: stop it first"
    if "permission denied" in lowered or "read-only file system" in lowered:
        return f"mongod may not write in {directory}: check owner and mode"
    if "incompatible" in lowered and "version" in lowered:
        return f"the data in {directory} was written by another MongoDB version: use that one"
    return f"mongod stopped while starting: {_last_complaint(log) or 'it gave no reason'}"


def _last_complaint(log: str) -> str:
    complaints = [str(entry.get("msg", "")) for entry in _entries(log) if _is_fatal(entry)]
    return complaints[-1] if complaints else ""


def _is_fatal(entry: dict[str, object]) -> bool:
    return entry.get("s") in _FATAL


def _entries(log: str) -> Iterator[dict[str, object]]:
    for line in log.splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict):
            yield entry
