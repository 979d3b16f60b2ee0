"""Who evaluates designs beside this process: nobody, local processes, or a Dask cluster.

All three are `concurrent.futures` executors, so a strategy never knows which one it has. The search
takes answers in the order in which it asks, so it does not depend on timing. A worker that dies is
replaced, and what it was doing is done again.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import import_module
from multiprocessing.connection import Connection
from typing import Any, TypeVar

from pom.errors import PomError
from pom.qor_model.collection import OBJECTS

R = TypeVar("R")


class Workers(Executor):
    """An executor that says how many processes there are for calls beside this one."""

    @property
    def helpers(self) -> int:
        """Calls that can run at this moment without waiting for each other."""
        return 0


class SerialExecutor(Workers):
    """Runs a call when it is submitted."""

    def submit(self, fn: Callable[..., R], /, *args: Any, **kwargs: Any) -> Future[R]:
        future: Future[R] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except PomError as error:
            future.set_exception(error)
        return future


MAX_DEATHS = 3
"""How many workers may die over one call before the call is given up."""

_MODEL = ("pom.dse.evaluation", "pom.passes.poly_to_affine", "pom.qor_model.latency")


@dataclass
class _Call:
    """A call that a worker has or waits for, and the workers that died over it."""

    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    result: Future[Any]
    pool: ProcessPoolExecutor
    deaths: int = 0


class LocalProcesses(Workers):
    """Runs calls in other processes of this machine.

    When a worker dies, all of them are replaced and the calls that were under way start again;
    the answers are those of an undisturbed run, because calls are functions of their arguments.

    Parameters
    ----------
    count : int
        Processes.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._lock = threading.Lock()
        self._is_closed = False
        self._pool = self._new_pool()

    @property
    def helpers(self) -> int:
        # a process needs a second to import the model: this one does not wait for it
        return self.count if any(started.done() for started in self._started) else 0

    def _new_pool(self) -> ProcessPoolExecutor:
        # fork would copy MLIR contexts and threads, which hang in the child
        context = multiprocessing.get_context("spawn")
        self._stop = context.Pipe(duplex=False)
        pool = ProcessPoolExecutor(
            self.count, mp_context=context, initializer=_begin_worker, initargs=self._stop[:1]
        )
        # a process starts when there is no idle one
        self._started = [pool.submit(_do_nothing) for _ in range(self.count)]
        return pool

    def submit(self, fn: Callable[..., R], /, *args: Any, **kwargs: Any) -> Future[R]:
        if kwargs:
            raise TypeError("calls have positional arguments only")
        call = _Call(fn, args, Future(), self._pool)
        self._start(call)
        return call.result

    def _start(self, call: _Call) -> None:
        with self._lock:
            try:
                inner = self._pool.submit(call.function, *call.arguments)
            except BrokenProcessPool:
                self._pool = self._new_pool()
                inner = self._pool.submit(call.function, *call.arguments)
            call.pool = self._pool
        call.result.add_done_callback(lambda outer: outer.cancelled() and inner.cancel())
        inner.add_done_callback(lambda done: self._take(call, done))

    def _take(self, call: _Call, done: Future[Any]) -> None:
        """Hand a result over, or start the call again; runs in a thread of the pool."""
        if done.cancelled():
            call.result.cancel()
            return
        error = done.exception()
        if isinstance(error, BrokenProcessPool):
            if not call.result.cancelled():
                self._again(call)
        elif call.result.set_running_or_notify_cancel():
            if error is None:
                call.result.set_result(done.result())
            else:
                call.result.set_exception(error)

    def _again(self, call: _Call) -> None:
        if self._is_closed:
            call.result.cancel()
            return
        call.deaths += 1
        if call.deaths > MAX_DEATHS:
            call.result.set_exception(
                PomError(
                    "POM-X122",
                    f"worker processes ended {call.deaths} times in a row",
                    hint="the system may be short of memory: try fewer --jobs",
                )
            )
            return
        with self._lock:
            if self._pool is call.pool:
                self._pool = self._new_pool()
        self._start(call)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the processes at once; what they are doing is given up."""
        self._is_closed = True
        for end in self._stop:
            end.close()
        self._pool.shutdown(wait=wait, cancel_futures=cancel_futures)


def _begin_worker(stop: Connection) -> None:
    """Prepare a new worker process."""
    # Ctrl-C reaches the whole process group; only the parent decides what it means
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.set_threshold(OBJECTS, 20, 100)
    threading.Thread(target=_end_on, args=(stop,), daemon=True).start()
    import_model()


def import_model() -> None:
    """Import what an evaluation needs, which takes a second."""
    for name in _MODEL:
        import_module(name)


def _end_on(stop: Connection) -> None:
    """End this process when the parent closes its side: on purpose, or because it was killed."""
    with suppress(EOFError):
        stop.recv_bytes()
    os._exit(0)


def _do_nothing() -> None:
    """What a new pool is asked first."""


@contextmanager
def open_executor(jobs: int, cluster: str | None, timeout_s: float = 10.0) -> Iterator[Workers]:
    """The executor for ``--jobs`` and ``--cluster``.

    Parameters
    ----------
    jobs : int
        Processes that evaluate, this one included.
    cluster : str or None
        Address of a Dask scheduler, ``tcp://host:port``.
    timeout_s : float
        How long to wait for the scheduler.

    Raises
    ------
    PomError
        POM-X120 the scheduler does not answer or has no workers; POM-X121 `distributed` is not
        installed; from a call: POM-X122 workers die over it again and again.
    """
    if cluster is not None:
        from pom.dse.cluster import Cluster

        with Cluster(cluster, timeout_s) as workers:
            yield workers
    elif jobs == 1:
        yield SerialExecutor()
    else:
        pool = LocalProcesses(jobs - 1)
        try:
            yield pool
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
