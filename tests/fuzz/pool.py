"""Worker processes: jobs go in and results come out as lines of JSON.

A worker that dies or that is silent for too long is a finding with the stage it was in, and is
replaced. Workers are replaced now and then anyway, so that memory does not grow.
"""

from __future__ import annotations

import json
import selectors
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).resolve().parents[2]
_LIFETIME = 60
"""Kernels that one worker process runs."""


@dataclass(frozen=True, slots=True)
class Job:
    """One kernel of a run; see `tests.fuzz.trial.run_program`."""

    seed: int
    index: int
    schedules: int
    cpp_every: int
    shrink: bool


@dataclass(frozen=True, slots=True)
class Result:
    """What a worker said about a job."""

    job: Job
    data: dict[str, Any]


@dataclass(slots=True)
class _Worker:
    process: subprocess.Popen[str]
    job: Job | None = None
    started: float = 0.0
    stage: str = ""
    done: int = 0

    def give(self, job: Job) -> None:
        self.job, self.started, self.stage = job, time.monotonic(), "start"
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(asdict(job)) + "\n")
        self.process.stdin.flush()

    def end(self) -> None:
        self.process.kill()
        self.process.communicate()


@dataclass(slots=True)
class Pool:
    """`size` workers; a job may take `timeout_s`."""

    size: int
    timeout_s: float
    selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)

    def run(
        self, jobs: Iterator[Job], note: Callable[[Result], None], deadline: float | None
    ) -> None:
        """Give every job to a worker, until the deadline (of `time.monotonic`)."""
        busy = 0
        for _ in range(self.size):
            busy += self._next(self._start(), jobs, deadline)
        while busy:
            ready = self.selector.select(timeout=1.0)
            for key, _ in ready:
                worker: _Worker = key.data
                busy -= self._hear(worker, note)
                if worker.job is None:
                    busy += self._next(self._renewed(worker), jobs, deadline)
            for key in list(self.selector.get_map().values()):
                worker = key.data
                if worker.job and time.monotonic() - worker.started > self.timeout_s:
                    note(_failed(worker, "hang", f"silent for {self.timeout_s:g} s"))
                    busy -= 1
                    self._stop(worker)
                    busy += self._next(self._start(), jobs, deadline)
        for key in list(self.selector.get_map().values()):
            self._stop(key.data)

    def _start(self) -> _Worker:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.fuzz", "--worker"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        worker = _Worker(process)
        assert process.stdout is not None
        self.selector.register(process.stdout, selectors.EVENT_READ, worker)
        return worker

    def _stop(self, worker: _Worker) -> None:
        assert worker.process.stdout is not None
        self.selector.unregister(worker.process.stdout)
        worker.end()

    def _renewed(self, worker: _Worker) -> _Worker:
        if worker.process.poll() is None and worker.done < _LIFETIME:
            return worker
        self._stop(worker)
        return self._start()

    def _next(self, worker: _Worker, jobs: Iterator[Job], deadline: float | None) -> int:
        job = None
        if deadline is None or time.monotonic() < deadline:
            job = next(jobs, None)
        if job is None:
            self._stop(worker)
            return 0
        worker.give(job)
        return 1

    def _hear(self, worker: _Worker, note: Callable[[Result], None]) -> int:
        """Read one line; 1 where it ends the job."""
        assert worker.process.stdout is not None
        assert worker.job is not None
        line = worker.process.stdout.readline()
        if not line:
            note(_failed(worker, "crash", f"exit code {worker.process.wait()}"))
            worker.job = None
            return 1
        message = json.loads(line)
        if "stage" in message:
            worker.stage = message["stage"]
            return 0
        note(Result(worker.job, message))
        worker.job = None
        worker.done += 1
        return 1


def _failed(worker: _Worker, kind: str, detail: str) -> Result:
    assert worker.job is not None
    job = worker.job
    text = (
        f"# {kind} in {worker.stage}: {detail}\nfrom tests.fuzz.trial import run_program\n"
        f"run_program({job.seed}, {job.index}, {job.schedules}, print)\n"
    )
    finding = {"kind": kind, "detail": f"{worker.stage}: {detail}", "python": text}
    return Result(job, {"findings": [finding], "counts": {"kernels": 1}})


def worker(source: IO[str], sink: IO[str]) -> None:
    """Answer jobs until the input ends."""
    from tests.fuzz.report import described
    from tests.fuzz.trial import run_program

    def say(value: dict[str, Any]) -> None:
        sink.write(json.dumps(value) + "\n")
        sink.flush()

    for line in source:
        job = Job(**json.loads(line))
        with_cpp = bool(job.cpp_every) and job.index % job.cpp_every == 0
        outcome = run_program(
            job.seed, job.index, job.schedules, lambda text: say({"stage": text}), with_cpp
        )
        say(
            {
                "counts": outcome.counts,
                "primitives": outcome.primitives,
                "refusals": outcome.refusals,
                "findings": [described(f, job.index, job.shrink) for f in outcome.findings],
            }
        )
