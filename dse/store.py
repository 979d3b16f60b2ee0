"""Where evaluated designs are kept: one SQLite file that survives a kill and a second run.

A key is the hash of everything that an evaluation depends on: the kernel (level 1 as text), the
device with its resources, the clock, the model and the versions of POM and its data, and the plan.
So a store can be shared by any number of kernels, and a stale answer is never found.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from pom.errors import PomError

APPLICATION_ID = 0x504F4D44
"""Marks the file as ours (``PRAGMA application_id``): "POMD"."""
FORMAT = 2


def content_key(*parts: str) -> str:
    """The SHA-256 of `parts`, separated so that no two lists of parts collide."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode()
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)
    return digest.hexdigest()


class Store:
    """Evaluations by content key, and the progress of runs.

    Parameters
    ----------
    path : Path or None
        The file; None keeps everything in memory.

    Raises
    ------
    PomError
        POM-X101 the file is not a store of ours or is corrupt (it is left as it is); POM-X102 it
        was written by another version; POM-X103 the system refuses to open or to write it.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        try:
            self._db = sqlite3.connect(
                str(path) if path else ":memory:", timeout=60.0, isolation_level=None
            )
            self._prepare()
        except sqlite3.OperationalError as error:
            raise self._refused(error) from error
        except sqlite3.DatabaseError as error:
            raise self._foreign(str(error)) from error

    def _prepare(self) -> None:
        db = self._db
        tables = {row[0] for row in db.execute("select name from sqlite_master")}
        application = db.execute("pragma application_id").fetchone()[0]
        if tables and application != APPLICATION_ID:
            raise self._foreign("it belongs to another program")
        if tables:
            version = db.execute("pragma user_version").fetchone()[0]
            if version != FORMAT:
                raise PomError(
                    "POM-X102",
                    f"the store {str(self.path)!r} has format {version}, this POM reads {FORMAT}",
                    hint="name another file with --store",
                )
            check = db.execute("pragma quick_check").fetchone()[0]
            if check != "ok":
                raise self._foreign(check)
        # WAL lets a second run read while the first writes; every commit survives a kill.
        self._use_wal()
        db.execute("pragma synchronous = normal")
        with self._transaction():
            db.execute(f"pragma application_id = {APPLICATION_ID}")
            db.execute(f"pragma user_version = {FORMAT}")
            for table in ("evaluation", "run", "measured"):
                db.execute(
                    f"create table if not exists {table}"
                    " (key text primary key, record text not null, digest text not null)"
                    " without rowid"
                )

    def _use_wal(self) -> None:
        """Switch to write-ahead logging; the switch ignores the busy timeout, so wait here."""
        deadline = time.monotonic() + 60.0
        while True:
            try:
                self._db.execute("pragma journal_mode = wal")
                return
            except sqlite3.OperationalError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)

    def _transaction(self) -> _Transaction:
        return _Transaction(self._db)

    def _foreign(self, reason: str) -> PomError:
        return PomError(
            "POM-X101",
            f"{str(self.path)!r} is not a usable store: {reason}",
            hint="it was left as it is; name another file with --store, or remove it",
        )

    def _refused(self, error: sqlite3.Error) -> PomError:
        return PomError(
            "POM-X103",
            f"cannot use the store {str(self.path)!r}: {error}",
            hint="name a file with --store that can be written, where there is room; what the store "
            "has is intact, and --resume goes on from there",
        )

    def get(self, keys: Iterable[str]) -> dict[str, dict[str, object]]:
        """The records of those `keys` that are known.

        Raises
        ------
        PomError
            POM-X101 the file was damaged since it was opened.
        """
        found: dict[str, dict[str, object]] = {}
        wanted = list(keys)
        for start in range(0, len(wanted), 500):
            chunk = wanted[start : start + 500]
            marks = ",".join("?" * len(chunk))
            query = f"select key, record, digest from evaluation where key in ({marks})"
            for key, record, digest in self._rows(query, chunk):
                found[key] = self._parsed(key, record, digest)
        return found

    def _rows(self, query: str, values: Sequence[str]) -> list[tuple[str, str, str]]:
        try:
            return self._db.execute(query, values).fetchall()
        except sqlite3.OperationalError as error:
            raise self._refused(error) from error
        except sqlite3.DatabaseError as error:
            raise self._foreign(str(error)) from error

    def _parsed(self, key: str, record: str, digest: str) -> dict[str, object]:
        """A record, which has to be the one that was written: a wrong number looks like a right one."""
        if digest != content_key(key, record):
            raise self._foreign(f"the record {key[:12]} is damaged")
        parsed: dict[str, object] = json.loads(record)
        return parsed

    def put(self, records: Iterable[tuple[str, dict[str, object]]]) -> None:
        """Keep evaluations; a key that is already there stays as it is."""
        self._write("insert or ignore into evaluation", records)

    def _write(self, statement: str, records: Iterable[tuple[str, dict[str, object]]]) -> None:
        texts = ((key, json.dumps(record, sort_keys=True)) for key, record in records)
        rows = [(key, text, content_key(key, text)) for key, text in texts]
        try:
            with self._transaction():
                self._db.executemany(f"{statement} values (?, ?, ?)", rows)
        except sqlite3.OperationalError as error:
            raise self._refused(error) from error
        except sqlite3.DatabaseError as error:
            raise self._foreign(str(error)) from error

    def get_run(self, key: str) -> dict[str, object] | None:
        """What was kept of a run."""
        return self._one("run", key)

    def put_run(self, key: str, record: dict[str, object]) -> None:
        """Keep the state of a run."""
        self._put_one("run", key, record)

    def get_measured(self, key: str) -> dict[str, object] | None:
        """What a tool reported of a design."""
        return self._one("measured", key)

    def put_measured(self, key: str, record: dict[str, object]) -> None:
        """Keep what a tool reported of a design."""
        self._put_one("measured", key, record)

    def _one(self, table: str, key: str) -> dict[str, object] | None:
        rows = self._rows(f"select key, record, digest from {table} where key = ?", (key,))
        return self._parsed(*rows[0]) if rows else None

    def _put_one(self, table: str, key: str, record: dict[str, object]) -> None:
        self._write(f"insert or replace into {table}", [(key, record)])

    def __len__(self) -> int:
        count: int = self._db.execute("select count(*) from evaluation").fetchone()[0]
        return count

    def close(self) -> None:
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class _Transaction:
    """``begin immediate`` … ``commit``, so that two runs wait for each other."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def __enter__(self) -> None:
        self._db.execute("begin immediate")

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self._db.execute("commit")
        finally:
            # a full disk has ended the transaction already
            if self._db.in_transaction:
                self._db.execute("rollback")
