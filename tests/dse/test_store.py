"""The store keeps what was evaluated, whatever happens to the process."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import textwrap

import pytest

from pom.dse.store import Store, content_key
from pom.errors import PomError


def test_records_survive_reopening(tmp_path):
    path = tmp_path / "store.sqlite"
    with Store(path) as store:
        store.put([("a", {"latency": 3}), ("b", {"latency": 4})])
    with Store(path) as store:
        assert store.get(["a", "c"]) == {"a": {"latency": 3}}
        assert len(store) == 2


def test_first_record_of_a_key_stays(tmp_path):
    with Store(tmp_path / "s") as store:
        store.put([("a", {"n": 1})])
        store.put([("a", {"n": 2})])
        assert store.get(["a"]) == {"a": {"n": 1}}


def test_keys_do_not_collide_when_parts_are_split_differently():
    assert content_key("ab", "c") != content_key("a", "bc")


def test_text_file_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("these are my notes, not a database " * 50)
    before = path.read_bytes()
    with pytest.raises(PomError, match="POM-X101"):
        Store(path)
    assert path.read_bytes() == before


def test_foreign_database_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "other.sqlite"
    db = sqlite3.connect(path)
    db.execute("create table t (x)")
    db.commit()
    db.close()
    before = path.read_bytes()
    with pytest.raises(PomError, match="POM-X101"):
        Store(path)
    assert path.read_bytes() == before


def test_other_format_is_refused(tmp_path):
    path = tmp_path / "s"
    Store(path).close()
    db = sqlite3.connect(path)
    db.execute("pragma user_version = 99")
    db.close()
    with pytest.raises(PomError, match="POM-X102"):
        Store(path)


def test_a_damaged_record_is_not_believed(tmp_path):
    path = tmp_path / "s"
    with Store(path) as store:
        store.put([("a", {"latency": 1234})])
        store.put_run("r", {"state": "done"})
        store.put_measured("m", {"lut": 5678})
    for before, after in ((b"1234", b"1235"), (b"done", b"dome"), (b"5678", b"5679")):
        data = path.read_bytes()
        assert data.count(before) == 1
        path.write_bytes(data.replace(before, after))
    with Store(path) as store:
        for read in (lambda: store.get(["a"]), lambda: store.get_run("r"),
                     lambda: store.get_measured("m")):  # fmt: skip
            with pytest.raises(PomError, match=r"POM-X101.*damaged"):
                read()


@pytest.mark.parametrize("keep", [0.3, 0.7])
def test_a_torn_file_is_refused_and_left_alone(tmp_path, keep):
    path = tmp_path / "s"
    with Store(path) as store:
        store.put((f"k{n}", {"text": "x" * 200}) for n in range(400))
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * keep)])
    before = path.read_bytes()
    with pytest.raises(PomError, match="POM-X101"):
        Store(path)
    assert path.read_bytes() == before


def test_missing_folder_is_refused(tmp_path):
    with pytest.raises(PomError, match="POM-X103"):
        Store(tmp_path / "none" / "s")


WRITER = textwrap.dedent(
    """
    import sys
    from pathlib import Path
    from pom.dse.store import Store
    store = Store(Path(sys.argv[1]))
    for n in range(int(sys.argv[3])):
        store.put([(f"{sys.argv[2]}{n}", {"n": n})])
        print(n, flush=True)
    """
)


def writer(path, prefix, count):
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), prefix, str(count)],
        stdout=subprocess.PIPE,
        text=True,
    )


def test_kill_loses_nothing_that_was_reported(tmp_path):
    path = tmp_path / "s"
    process = writer(path, "a", 100_000)
    reported = -1
    for _ in range(50):
        reported = int(process.stdout.readline())
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    with Store(path) as store:
        assert len(store.get(f"a{n}" for n in range(reported + 1))) == reported + 1


def test_two_writers_keep_everything(tmp_path):
    path = tmp_path / "s"
    processes = [writer(path, prefix, 60) for prefix in "ab"]
    for process in processes:
        process.communicate()
        assert process.returncode == 0
    with Store(path) as store:
        assert len(store) == 120
