"""Files for their owner alone: secrets that are kept on disk."""

from __future__ import annotations

import os
import uuid
from pathlib import Path


def write_private(path: Path, text: str, *, replace: bool = True) -> None:
    """Write a file of mode 0600 whole or not at all; it is on the disk when this returns.

    Args:
        path: Where; its folder exists.
        text: What.
        replace: False leaves a file that is there already as it is.

    Raises:
        OSError: It cannot be written.
    """
    draft = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(descriptor)
        if replace:
            draft.replace(path)
        elif not path.exists():
            path.hardlink_to(draft)
    except FileExistsError:
        pass  # another process was first, which is what replace=False asks for
    finally:
        draft.unlink(missing_ok=True)
