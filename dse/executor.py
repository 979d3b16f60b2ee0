"""Where evaluations run: in this process, in local processes, or on a Dask cluster.

All three are `concurrent.futures` executors, so a strategy never knows which one it has. Results
are handed back in the order in which they were asked for; so a search does not depend on timing.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

from pom.errors import PomError

T = TypeVar("T")
R = TypeVar("R")


class SerialExecutor(Executor):
    """Runs a call when it is submitted."""

    def submit(self, fn: Callable[..., R], /, *args: Any, **kwargs: Any) -> Future[R]:
        future: Future[R] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except PomError as error:
            future.set_exception(error)
        return future


def _ignore_interrupt() -> None:
    """Ctrl-C reaches the whole process group; only the parent decides what it means."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextmanager
def open_executor(jobs: int, cluster: str | None, timeout_s: float = 10.0) -> Iterator[Executor]:
    """The executor for ``--jobs`` and ``--cluster``.

    Parameters
    ----------
    jobs : int
        1 runs in this process.
    cluster : str or None
        Address of a Dask scheduler, ``tcp://host:port``.
    timeout_s : float
        How long to wait for the scheduler.

    Raises
    ------
    PomError
        POM-X120 the scheduler does not answer or has no workers; POM-X121 `distributed` is not
        installed.
    """
    if cluster is not None:
        with _cluster_executor(cluster, timeout_s) as executor:
            yield executor
    elif jobs == 1:
        yield SerialExecutor()
    else:
        # fork would copy MLIR contexts and threads, which hang in the child
        context = multiprocessing.get_context("spawn")
        pool = ProcessPoolExecutor(jobs, mp_context=context, initializer=_ignore_interrupt)
        try:
            yield pool
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def _cluster_executor(address: str, timeout_s: float) -> Iterator[Executor]:
    try:
        from distributed import Client
    except ImportError:
        raise PomError(
            "POM-X121",
            "--cluster needs the package distributed",
            hint="pip install 'pom[cluster]'",
        ) from None
    try:
        client = Client(address, timeout=timeout_s, set_as_default=False)
    except (OSError, ValueError) as error:
        raise PomError(
            "POM-X120",
            f"no Dask scheduler answers at {address!r}: {error}",
            hint="start one with `dask scheduler`, workers with `dask worker ADDRESS`",
        ) from error
    try:
        if not client.scheduler_info()["workers"]:
            raise PomError(
                "POM-X120",
                f"the Dask scheduler at {address!r} has no workers",
                hint=f"start some with `dask worker {address}`",
            )
        # A killed worker's tasks move to another one; the default gives up after three deaths.
        with client.get_executor(retries=3) as executor:
            yield executor
    finally:
        client.close()


def run_ordered(executor: Executor, function: Callable[[T], R], items: Sequence[T]) -> Iterator[R]:
    """``function`` of every item, in order, as results become available.

    Stopping early cancels what has not begun.
    """
    futures = [executor.submit(function, item) for item in items]
    try:
        for future in futures:
            yield future.result()
    finally:
        for future in futures:
            future.cancel()
