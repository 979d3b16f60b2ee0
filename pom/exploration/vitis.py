"""Vitis HLS where it is installed: found, asked for its version, and run on one project.

``v++ -c --mode hls`` is the launcher since 2023.1, ``vitis_hls`` the one before. Which of them an
installation has, and what they are, is asked and not assumed.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

from pom.errors import PomError
from pom.qor_model.gnn.reports import Report, read_design

_VERSION = re.compile(r"\bv?(20\d\d)\.(\d)\b")
FIRST_UNIFIED = (2023, 1)
"""The first version whose ``v++`` compiles HLS components."""
PROBE_TIMEOUT_S = 120.0
END_TIMEOUT_S = 10.0
"""How long a tool that is stopped may take to end by itself."""
WORK_FOLDER = "hls"
LOG_FILE = "synthesis.log"


@dataclass(frozen=True, slots=True)
class Tool:
    """An installed Vitis.

    Parameters
    ----------
    path : str
        The launcher.
    version : tuple of int
        (2023, 2)
    is_unified : bool
        Whether the launcher is ``v++`` and not ``vitis_hls``.
    """

    path: str
    version: tuple[int, int]
    is_unified: bool

    @property
    def name(self) -> str:
        """``Vitis 2023.2``"""
        return f"Vitis {self.version[0]}.{self.version[1]}"


@dataclass(frozen=True, slots=True)
class Failure:
    """A synthesis without a report, and why."""

    reason: str


def find_tool(place: str | None = None) -> Tool | None:
    """The Vitis on the PATH, or the one at `place`.

    Parameters
    ----------
    place : str, optional
        A launcher, or a folder that has one, itself or in ``bin``.

    Raises
    ------
    PomError
        POM-X190 there is no usable Vitis at `place`.
    """
    if place is None:
        search = None
    elif Path(place).is_dir():
        search = os.pathsep.join((place, str(Path(place) / "bin")))
    else:
        found = _probe(place) if shutil.which(place) else None
        if found is None:
            raise _not_usable(place)
        return found
    for launcher in ("v++", "vitis_hls"):
        path = shutil.which(launcher, path=search)
        if path is not None and (found := _probe(path)) is not None:
            return found
    if place is not None:
        raise _not_usable(place)
    return None


def _not_usable(place: str) -> PomError:
    return PomError(
        "POM-X190",
        f"{place!r} is no Vitis HLS that answers",
        hint="give the folder or the path of v++ (2023.1 or later) or vitis_hls",
    )


def _probe(path: str) -> Tool | None:
    """What a launcher says it is; None for one that cannot compile HLS C++."""
    try:
        done = subprocess.run(
            [path, "--version"], capture_output=True, text=True, errors="replace",
            timeout=PROBE_TIMEOUT_S, stdin=subprocess.DEVNULL, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = _VERSION.search(done.stdout + done.stderr)
    if match is None:
        return None
    version = (int(match.group(1)), int(match.group(2)))
    is_unified = Path(path).name.startswith("v++")
    if is_unified and version < FIRST_UNIFIED:
        return None
    return Tool(path, version, is_unified)


def synthesise(tool: Tool, project: Path, top: str, timeout_s: float) -> Report | Failure:
    """Run C synthesis on a project, and read its report.

    The tool runs in its own process group, which is ended when time is out or this process is
    interrupted. What it prints is in `LOG_FILE` of the project.

    Parameters
    ----------
    tool : Tool
    project : Path
        A folder that `pom.codegen.project.write_project` wrote.
    top : str
    timeout_s : float
    """
    if not tool.is_unified:
        (project / "synthesise.tcl").write_text(_tcl(project, top), encoding="utf-8")
    reason = _run(_command(tool), project, timeout_s)
    if reason:
        return Failure(reason)
    try:
        report = read_design(project)
    except PomError as error:
        return Failure(f"its report cannot be read: {error.summary}")
    if report is None:
        return Failure("the tool ended well but wrote no csynth.xml")
    if report.kernel != top:
        return Failure(f"the report is of {report.kernel}, not of {top}")
    if "latency" not in dict(report.values):
        return Failure("the report has no latency: a loop's trip count is unknown to the tool")
    return report


def _command(tool: Tool) -> list[str]:
    if tool.is_unified:
        options = ["--config", "hls_config.cfg", "--work_dir", WORK_FOLDER]
        return [tool.path, "-c", "--mode", "hls", *options]
    return [tool.path, "-f", "synthesise.tcl"]


def _tcl(project: Path, top: str) -> str:
    """C synthesis and nothing else, with the settings of the project's own script."""
    kept = ("set_part", "create_clock", "add_files {", "set_top")
    lines = (project / "run_hls.tcl").read_text(encoding="utf-8").splitlines()
    settings = [line for line in lines if line.startswith(kept)]
    before = [line for line in settings if line.startswith(("set_top", "add_files"))]
    after = [line for line in settings if line not in before]
    return "\n".join(
        [
            f"open_project -reset {WORK_FOLDER}",
            *before,
            "open_solution -reset solution -flow_target vivado",
            *after,
            "csynth_design",
            "exit",
            "",
        ]
    )


def _run(command: list[str], folder: Path, timeout_s: float) -> str:
    """Run a command to its end; why it failed, empty where it did not."""
    log = folder / LOG_FILE
    try:
        with (
            log.open("wb") as output,
            subprocess.Popen(
                command, cwd=folder, stdin=subprocess.DEVNULL, stdout=output,
                stderr=subprocess.STDOUT, start_new_session=True,
            ) as process,
        ):  # fmt: skip
            try:
                code = process.wait(timeout=timeout_s)
            except subprocess.TimeoutExpired:
                return f"the tool was stopped after {timeout_s:g} s"
            finally:
                _end(process)
    except OSError as error:
        return f"the tool cannot be started: {error.strerror}"
    return f"the tool ended with code {code}: {_last_error(log)}" if code else ""


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a tool with everything that it started."""
    for number, patience in ((signal.SIGTERM, END_TIMEOUT_S), (signal.SIGKILL, None)):
        try:
            os.killpg(process.pid, number)
            process.wait(timeout=patience)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue


def _last_error(log: Path) -> str:
    """The last line of a log that says what went wrong."""
    lines = log.read_text(encoding="utf-8", errors="replace")[-20_000:].splitlines()
    errors = [line for line in lines if "ERROR" in line] or [line for line in lines if line.strip()]
    return errors[-1].strip() if errors else f"see {log}"
