"""What a simulator is told at its start."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


class OptionsError(Exception):
    """Options that cannot be used; the message is one line for the user."""


@dataclass(frozen=True, slots=True)
class SimulatorOptions:
    """Options of `serve`.

    Attributes:
        host: Address to listen on.
        port: TCP port; 0 takes a free one.
        cases: Folder of recorded cases for `replay:`.
        split: Size in bytes of the pieces a recorded body is sent in; 0 is whole.
        keys: Credentials that are accepted; none given accepts every one that is not empty.
        redact: Hides secrets in the log.
        tls_cert: PEM certificate chain; with `tls_key` the listener speaks TLS.
        tls_key: PEM private key.
        body_cap: Bytes of each body that the log shows as text.
    """

    host: str = "127.0.0.1"
    port: int = 9000
    cases: Path | None = None
    split: int = 0
    keys: tuple[str, ...] = ()
    redact: bool = False
    tls_cert: Path | None = None
    tls_key: Path | None = None
    body_cap: int = 256 * 1024

    def __post_init__(self) -> None:
        if self.cases is not None and not self.cases.is_dir():
            raise OptionsError(f"--cases: {self.cases} is no folder")
        if (self.tls_cert is None) != (self.tls_key is None):
            raise OptionsError("--tls-cert and --tls-key belong together: give both or neither")
        if self.split < 0:
            raise OptionsError(f"--split: {self.split} is negative; 0 sends bodies whole")
