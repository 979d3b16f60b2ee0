"""Writing files so that nothing half-written is ever seen."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

from pom.errors import PomError


def write_text(path: Path, text: str) -> None:
    """Write `text` to a temporary name in the same folder, then rename; links are followed.

    Raises
    ------
    PomError
        POM-U101 the folder does not exist; POM-U102 the system refuses (permissions, full disk).
    """
    if not path.parent.is_dir():
        raise PomError(
            "POM-U101",
            f"the folder {str(path.parent)!r} does not exist",
            hint=f"mkdir -p {path.parent}",
        )
    if path.is_dir():
        raise PomError("POM-U102", f"{str(path)!r} is a folder", hint="name a file inside it")
    path = path.resolve()
    temporary = None
    try:
        if path.exists() and not path.is_file():
            # A device or a pipe, such as /dev/null: it must not be replaced by a file.
            with path.open("w", encoding="utf-8") as stream:
                stream.write(text)
            return
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)
        os.replace(temporary, path)
        temporary = None
    except OSError as error:
        raise PomError(
            "POM-U102",
            f"cannot write {str(path)!r}: {error.strerror}",
            hint="choose another place with -o",
        ) from error
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(temporary)


def read_text(path: Path) -> str:
    """The text of a file.

    Raises
    ------
    PomError
        POM-U103 the file is missing, unreadable, or not UTF-8 text.
    """
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise PomError("POM-U103", f"cannot read {str(path)!r}: {reason}") from error
