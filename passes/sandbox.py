"""A worker process for text that users wrote: MLIR aborts the process on some input.

The worker reads one pickled request from its standard input and writes pickled events to its
standard output: ``(kind, payload)`` of kind parsed, print, timing, result or error.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from typing import IO, Any

from pom.errors import InternalError, PomError

_TAIL = 2000
"""Characters of the worker's standard error that an error shows."""


def run_in_worker(
    text: str,
    pipeline: str,
    file: str,
    print_after: Callable[[str], None] | None,
    report_timing: Callable[[str], None] | None,
    timeout_s: float,
) -> str:
    """`pom.passes.manager.run_text_here` in a process of its own.

    Raises
    ------
    PomError
        What the pipeline raises. POM-U010: MLIR crashed while it read the text. POM-U011: no answer
        in `timeout_s` seconds.
    InternalError
        The worker died in a pass.
    """
    handlers = {"print": print_after, "timing": report_timing}
    request = (text, pipeline, file, print_after is not None, report_timing is not None)
    events: dict[str, Any] = {}
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p or os.getcwd() for p in sys.path)}
    command = [sys.executable, "-c", "from pom.passes.sandbox import serve; serve()"]
    with (
        tempfile.TemporaryFile() as errors,
        subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=environment,
        ) as worker,
    ):
        timer = threading.Timer(timeout_s, worker.kill)
        timer.start()
        try:
            _send(worker, request)
            for kind, payload in _events(worker.stdout):
                events[kind] = payload
                handler = handlers.get(kind)
                if handler is not None:
                    handler(payload)
            worker.wait()
        finally:
            timed_out = not timer.is_alive()
            timer.cancel()
            worker.kill()
        errors.seek(0)
        tail = errors.read().decode(errors="replace")[-_TAIL:]
    if "error" in events:
        raise events["error"]
    if "result" in events:
        return str(events["result"])
    raise _failure(worker.returncode, "parsed" in events, timed_out, timeout_s, tail)


def _failure(code: int, is_parsed: bool, timed_out: bool, timeout_s: float, tail: str) -> Exception:
    if timed_out:
        return PomError("POM-U011", f"no result after {timeout_s:g} s: the worker was stopped")
    if code < 0 and not is_parsed:
        return PomError(
            "POM-U010",
            f"MLIR crashed on the text ({signal.Signals(-code).name})",
            hint="the text nests too deeply, or breaks a rule that MLIR does not check but assumes",
            notes=tuple(tail.strip().splitlines()[:3]),
        )
    return InternalError(f"the worker died with status {code}:\n{tail}")


def _send(worker: subprocess.Popen[bytes], request: Any) -> None:
    if worker.stdin is None:
        raise InternalError("the worker has no standard input")
    try:
        with worker.stdin as pipe:
            pickle.dump(request, pipe)
    except BrokenPipeError:
        # The worker died first; its exit status says why.
        return


def _events(pipe: IO[bytes] | None) -> Any:
    while pipe is not None:
        try:
            yield pickle.load(pipe)
        except (EOFError, pickle.UnpicklingError):
            return


def serve() -> None:
    """What the worker does."""
    from pom.passes.manager import run_text_here

    # What C libraries print to descriptor 1 must not come between the events.
    with os.fdopen(os.dup(1), "wb") as out:
        os.dup2(2, 1)

        def emit(kind: str, payload: Any = None) -> None:
            pickle.dump((kind, payload), out)
            out.flush()

        text, pipeline, file, prints, times = pickle.load(sys.stdin.buffer)
        try:
            result = run_text_here(
                text,
                pipeline,
                file,
                (lambda shown: emit("print", shown)) if prints else None,
                (lambda shown: emit("timing", shown)) if times else None,
                lambda: emit("parsed"),
            )
            emit("result", result)
        except PomError as error:
            emit("error", error)
