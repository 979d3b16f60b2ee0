"""Finished parts of a long evaluation on disk, so that one that was interrupted goes on."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from pom.errors import PomError
from pom.qor_model.gnn.inner_loops import InnerLoop
from pom.qor_model.gnn.samples import Sample

Numbers = tuple[tuple[float, ...], ...]
_SUFFIX = ".row.json"


@dataclass(frozen=True, slots=True)
class KeptResults:
    """Results by what they depend on: the designs, the options and the code.

    Parameters
    ----------
    folder : Path or None
        None keeps nothing.
    about : tuple of object
        What all of these results depend on.
    """

    folder: Path | None
    about: tuple[object, ...] = ()
    _taken: list[Path] = field(default_factory=list, compare=False)

    def of(
        self, samples: Sequence[Sample], *about: object, inner: Sequence[InnerLoop] = ()
    ) -> KeptResults:
        """Those of some designs, and of anything that has a text of its own."""
        if self.folder is None:
            return self
        key = (*self.about, digest(samples, inner), *map(repr, about))
        return KeptResults(self.folder, key, self._taken)

    def get(self, *part: object) -> Numbers | None:
        """What was kept of a part; None where nothing, or nothing whole, is there."""
        path = self._path(part)
        if path is None or not path.is_file():
            return None
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            rows = tuple(tuple(float(x) for x in row) for row in found)
        except (OSError, ValueError, TypeError):
            # damaged: the part is done again
            return None
        self._taken.append(path)
        return rows

    def put(self, rows: Numbers, *part: object) -> None:
        """Keep the result of a part: the file is there as a whole or not at all.

        Raises
        ------
        PomError
            ``POM-Q043`` if it cannot be written.
        """
        path = self._path(part)
        if path is None:
            return
        unfinished = path.with_suffix(".part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            unfinished.write_text(json.dumps(rows), encoding="utf-8")
            os.replace(unfinished, path)
        except OSError as error:
            raise PomError("POM-Q043", f"cannot keep results in {path.parent}: {error}") from error
        self._taken.append(path)

    def forget(self) -> None:
        """Remove what was read and written, and the folder if nothing else is in it."""
        for path in self._taken:
            path.unlink(missing_ok=True)
        if self.folder is not None and self.folder.is_dir() and not any(self.folder.iterdir()):
            self.folder.rmdir()

    def _path(self, part: tuple[object, ...]) -> Path | None:
        if self.folder is None:
            return None
        text = repr((_code(), *self.about, *part))
        return self.folder / f"{hashlib.sha256(text.encode()).hexdigest()[:24]}{_SUFFIX}"


NOTHING_KEPT = KeptResults(None)


def digest(samples: Sequence[Sample], inner: Sequence[InnerLoop] = ()) -> str:
    """A text that is the same only for the same designs and measured loops."""
    found = hashlib.sha256()
    for s in samples:
        what = (s.name, s.kernel, s.device, s.clock_ns, s.terms, s.nests, s.labels, s.tokens)
        found.update(repr(what).encode())
    for loop in inner:
        found.update(repr((loop.kernel, loop.name, loop.values)).encode())
    return found.hexdigest()


@cache
def _code() -> str:
    """The estimator and the models as they are: other code gives other results."""
    found = hashlib.sha256()
    for path in sorted(Path(__file__).resolve().parents[1].rglob("*")):
        if path.suffix in (".py", ".toml", ".json"):
            found.update(path.read_bytes())
    return found.hexdigest()
