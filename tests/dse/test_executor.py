"""The three executors give the same answers in the same order, and survive a lost worker."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from pom.dse.executor import open_executor, run_ordered
from pom.errors import PomError


def square(n: int) -> int:
    return n * n


def slow_pid(n: int) -> tuple[int, int]:
    time.sleep(0.2)
    return n, os.getpid()


def refuse(n: int) -> int:
    raise PomError("POM-X999", f"refused {n}", hint="none")


@pytest.mark.parametrize("jobs", [1, 2])
def test_results_come_in_order(jobs):
    with open_executor(jobs, None) as executor:
        assert list(run_ordered(executor, square, range(20))) == [n * n for n in range(20)]


@pytest.mark.parametrize("jobs", [1, 2])
def test_errors_cross_the_process_boundary(jobs):
    with (
        open_executor(jobs, None) as executor,
        pytest.raises(PomError, match="refused 3") as caught,
    ):
        list(run_ordered(executor, refuse, [3]))
    assert caught.value.code == "POM-X999"
    assert caught.value.hint == "none"


def test_missing_scheduler_is_refused():
    with (
        pytest.raises(PomError, match="POM-X120"),
        open_executor(1, "tcp://127.0.0.1:9", timeout_s=1.0),
    ):
        pass


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port: int = s.getsockname()[1]
        return port


@contextlib.contextmanager
def cluster(workers: int):
    """A scheduler and workers on loopback, as a user would start them."""
    port = free_port()
    address = f"tcp://127.0.0.1:{port}"
    dask = [sys.executable, "-m", "dask"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    processes = [
        subprocess.Popen(
            [*dask, "scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard"],
            **quiet,
        )
    ]
    try:
        time.sleep(1.0)
        processes += [
            subprocess.Popen(
                [*dask, "worker", address, "--nthreads", "1", "--no-nanny", "--no-dashboard"],
                **quiet,
            )
            for _ in range(workers)
        ]
        wait_for_workers(address, workers)
        yield address, processes[1:]
    finally:
        for process in processes:
            process.kill()
            process.wait()


def wait_for_workers(address: str, count: int) -> None:
    from distributed import Client

    with Client(address, timeout=30, set_as_default=False) as client:
        client.wait_for_workers(count, timeout=30)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_cluster_survives_a_killed_worker():
    with cluster(2) as (address, workers), open_executor(1, address) as executor:
        results = run_ordered(executor, slow_pid, range(16))
        answers = [next(results)]
        workers[0].send_signal(signal.SIGKILL)
        answers += list(results)
    assert [n for n, _ in answers] == list(range(16))
    assert workers[1].pid in {pid for _, pid in answers}
