"""The three executors give the same answers, and survive a lost worker."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from concurrent.futures import Executor
from pathlib import Path

import pytest

from pom.dse.executor import open_executor
from pom.errors import PomError


def square(n: int) -> int:
    return n * n


def slow_pid(n: int) -> tuple[int, int]:
    time.sleep(0.2)
    return n, os.getpid()


def pid_of(n: int) -> int:
    return os.getpid()


def die(n: int) -> None:
    os._exit(9)


def die_once(path: str) -> str:
    """Ends its process unless another call has done so."""
    with contextlib.suppress(FileExistsError):
        Path(path).touch(exist_ok=False)
        os._exit(9)
    return path


def touch(path: str) -> None:
    Path(path).touch()


def refuse(n: int) -> int:
    raise PomError("POM-X999", f"refused {n}", hint="none")


def answers(executor: Executor, function, items):
    futures = [executor.submit(function, item) for item in items]
    return [future.result(timeout=60) for future in futures]


@pytest.mark.parametrize("jobs", [1, 2, 3])
def test_calls_return_their_results(jobs):
    with open_executor(jobs, None) as executor:
        assert answers(executor, square, range(20)) == [n * n for n in range(20)]
        assert executor.helpers == jobs - 1


@pytest.mark.parametrize("jobs", [1, 2])
def test_errors_cross_the_process_boundary(jobs):
    with (
        open_executor(jobs, None) as executor,
        pytest.raises(PomError, match="refused 3") as caught,
    ):
        answers(executor, refuse, [3])
    assert caught.value.code == "POM-X999"
    assert caught.value.hint == "none"


def test_a_worker_that_dies_is_replaced(tmp_path):
    mark = tmp_path / "died"
    with open_executor(3, None) as executor:
        before = answers(executor, slow_pid, range(2))
        assert answers(executor, die_once, [str(mark)] * 3) == [str(mark)] * 3
        after = answers(executor, slow_pid, range(4))
    assert mark.exists()
    assert not {pid for _, pid in before} & {pid for _, pid in after}


def test_a_call_that_kills_every_worker_is_given_up():
    with open_executor(2, None) as executor, pytest.raises(PomError, match="POM-X122"):
        answers(executor, die, [1])


def test_a_cancelled_call_does_not_run(tmp_path):
    with open_executor(2, None) as executor:
        first = executor.submit(time.sleep, 0.3)
        queued = [executor.submit(touch, str(tmp_path / str(n))) for n in range(6)]
        assert queued[-1].cancel()
        first.result(timeout=60)
        assert [f.result(timeout=60) for f in queued[:-1]] == [None] * 5
        assert answers(executor, square, [2]) == [4]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["0", "1", "2", "3", "4"]


def test_closing_does_not_wait_for_what_runs():
    began = time.monotonic()
    with open_executor(2, None) as executor:
        answers(executor, square, [1])
        executor.submit(time.sleep, 60)
    assert time.monotonic() - began < 30


ORPHAN = """
import sys, time
from tests.dse.test_executor import open_executor, pid_of
if __name__ == "__main__":
    with open_executor(2, None) as executor:
        print(executor.submit(pid_of, 0).result(), flush=True)
        time.sleep(60)
"""


def is_running(pid: int) -> bool:
    """Whether the process exists and is more than an entry that nobody has waited for."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_workers_end_when_their_parent_is_killed(tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(ORPHAN)
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": f"{root}:{os.environ.get('PYTHONPATH', '')}"}
    with subprocess.Popen(
        [sys.executable, str(script)], stdout=subprocess.PIPE, text=True, env=environment
    ) as parent:
        worker = int(parent.stdout.readline())
        parent.kill()
    deadline = time.monotonic() + 20
    while is_running(worker) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_running(worker)


def test_missing_scheduler_is_refused():
    with (
        pytest.raises(PomError, match="POM-X120"),
        open_executor(1, "tcp://127.0.0.1:9", timeout_s=1.0),
    ):
        pass
