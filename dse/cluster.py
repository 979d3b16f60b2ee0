"""Evaluations on a Dask cluster: a scheduler and its workers, on as many machines as there are."""

from __future__ import annotations

import re
from collections.abc import Callable
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Self, TypeVar

from pom.dse.executor import Workers, import_model
from pom.errors import PomError

R = TypeVar("R")

ADDRESS = re.compile(r"\w+://.+:\d+")
RETRIES = 3
"""How often a call is done again after its worker died."""


class Cluster(Workers):
    """Runs calls on the workers of a Dask scheduler, which may come and go.

    Parameters
    ----------
    address : str
        Of the scheduler, ``tcp://host:port``.
    timeout_s : float
        How long to wait for the scheduler.

    Raises
    ------
    PomError
        POM-X120 the address is none, the scheduler does not answer or has no workers; POM-X121 `distributed` is not
        installed.
    """

    def __init__(self, address: str, timeout_s: float) -> None:
        try:
            from distributed import Client
        except ImportError:
            raise PomError(
                "POM-X121",
                "--cluster needs the package distributed",
                hint="pip install 'pom[cluster]'",
            ) from None
        if not ADDRESS.fullmatch(address):
            raise PomError(
                "POM-X120",
                f"{address!r} is no address of a Dask scheduler",
                hint="give it as tcp://host:port, as the scheduler prints it",
            )
        try:
            self._client = Client(address, timeout=timeout_s, set_as_default=False)
        except (OSError, ValueError) as error:
            raise PomError(
                "POM-X120",
                f"no Dask scheduler answers at {address!r}: {error}",
                hint="start one with `dask scheduler`, workers with `dask worker ADDRESS`",
            ) from error
        if not self._client.nthreads():
            self._client.close()
            raise PomError(
                "POM-X120",
                f"the Dask scheduler at {address!r} has no workers",
                hint=f"start some with `dask worker {address}`",
            )
        self._executor = self._client.get_executor(retries=RETRIES)
        self._started: dict[str, Any] = {}
        self._ready()

    def _ready(self) -> dict[str, int]:
        """Threads of the workers that have imported the model; workers seen first begin to."""
        threads: dict[str, int] = self._client.nthreads()
        for name in threads:
            if name not in self._started:
                self._started[name] = self._client.submit(import_model, workers=[name], pure=False)
        return {
            name: count
            for name, count in threads.items()
            if self._started[name].status == "finished"
        }

    @property
    def helpers(self) -> int:
        return sum(self._ready().values())

    def submit(self, fn: Callable[..., R], /, *args: Any, **kwargs: Any) -> Future[R]:
        future: Future[R] = self._executor.submit(fn, *args, **kwargs)
        return future

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        self.shutdown(wait=False, cancel_futures=True)
        return None

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self._started.clear()
        self._executor.shutdown(wait=wait and not cancel_futures)
        self._client.close()
