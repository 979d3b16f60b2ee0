"""A real Dask scheduler with two workers on loopback, one of them killed in mid-run."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from pom.dse.cluster import Cluster
from pom.dse.executor import open_executor
from pom.errors import PomError

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

KERNEL = """
import pom

@pom.kernel
def atax(A: pom.f32[24, 20], x: pom.f32[20], y: pom.f32[20]):
    tmp = pom.array("tmp", pom.f32[24])
    for i in pom.loop("i", 0, 24):
        tmp[i] = 0
        for j in pom.loop("j", 0, 20):
            tmp[i] += A[i, j] * x[j]
    for k in pom.loop("k", 0, 24):
        for l in pom.loop("l", 0, 20):
            y[l] += A[k, l] * tmp[k]
"""


def slow_pid(n: int) -> tuple[int, int]:
    time.sleep(0.2)
    return n, os.getpid()


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


def wait_for_import(executor) -> None:
    deadline = time.monotonic() + 60
    while executor.helpers < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert executor.helpers == 2


def test_calls_survive_a_killed_worker():
    with cluster(2) as (address, workers), open_executor(1, address) as executor:
        wait_for_import(executor)
        futures = [executor.submit(slow_pid, n) for n in range(16)]
        found = [futures[0].result(timeout=60)]
        workers[0].send_signal(signal.SIGKILL)
        found += [future.result(timeout=60) for future in futures[1:]]
    assert [n for n, _ in found] == list(range(16))
    assert workers[1].pid in {pid for _, pid in found}


def command(kernel_file, folder, *options: str) -> list[str]:
    return [
        sys.executable, "-m", "pom", "dse", str(kernel_file), "--target", "xc7z020",
        "-o", str(folder), "--json", *options,
    ]  # fmt: skip


def count_evaluations(client) -> None:
    """Let the scheduler keep how many evaluations every worker has finished."""

    def install(dask_scheduler):
        from collections import Counter

        from distributed import SchedulerPlugin

        class Counting(SchedulerPlugin):
            name = "counting"

            def __init__(self):
                self.finished = Counter()

            def transition(self, key, start, finish, *args, worker=None, **kwargs):
                if str(key).startswith("evaluate-") and finish == "memory":
                    self.finished[worker] += 1

        dask_scheduler.add_plugin(Counting(), name="counting")

    client.run_on_scheduler(install)


def evaluations_of(client) -> dict[str, int]:
    """Evaluations by the address of the worker that did them."""
    return client.run_on_scheduler(
        lambda dask_scheduler: dict(dask_scheduler.plugins["counting"].finished)
    )


@contextlib.contextmanager
def client_of(address: str):
    from distributed import Client

    with Client(address, timeout=30, set_as_default=False) as client:
        yield client


def test_pom_dse_on_a_cluster_that_loses_a_worker(tmp_path):
    kernel_file = tmp_path / "atax.py"
    kernel_file.write_text(KERNEL)
    alone = subprocess.run(
        command(kernel_file, tmp_path / "alone"), capture_output=True, text=True, check=True
    )
    with cluster(2) as (address, workers), client_of(address) as client:
        count_evaluations(client)
        run = subprocess.Popen(
            command(kernel_file, tmp_path / "both", "--cluster", address),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        deadline = time.monotonic() + 60
        while len(before := evaluations_of(client)) < 2 and run.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        workers[0].send_signal(signal.SIGKILL)
        output, errors = run.communicate(timeout=120)
        after = evaluations_of(client)
    assert run.returncode == 0, errors
    assert len(before) == 2
    assert sum(after.values()) > sum(before.values())
    one, both = json.loads(alone.stdout), json.loads(output)
    for name in ("plan", "latency_cycles", "lower_bound", "front", "evaluated", "pruned"):
        assert both[name] == one[name]


@pytest.mark.parametrize("address", ["foo", "tcp://host", "localhost:8786", ""])
def test_what_is_no_address_is_refused_at_once(address):
    with pytest.raises(PomError, match="POM-X120") as caught:
        Cluster(address, 60.0)
    assert "tcp://host:port" in str(caught.value.hint)
