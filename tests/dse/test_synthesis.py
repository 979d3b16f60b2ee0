"""The last stage of a search: an HLS tool as a process, and its reports.

There is no Vitis here. The tool of these tests is a script that writes a ``csynth.xml`` in the
documented format with numbers that the test chose, so what is tested is the handling of the process
(found, asked for its version, stopped, failing) and of its reports, and nothing about Vitis itself.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
from pathlib import Path

import pytest

from pom.cli import run
from pom.dse.executor import SerialExecutor
from pom.dse.run import Run, explore
from pom.dse.store import Store
from pom.errors import PomError
from pom.exploration.run import finish, make_problem
from pom.exploration.synthesis import SynthesisOptions, synthesise_finalists
from pom.exploration.vitis import find_tool
from tests.dse.kernels import scale_add

TARGET = "xc7z020"

TOOL = '''#!{python}
import json, os, pathlib, subprocess, sys, time
here = pathlib.Path(__file__).parent
if "--version" in sys.argv:
    print({version!r})
    sys.exit(0)
calls = here / "calls"
number = len(calls.read_text().splitlines()) if calls.exists() else 0
with calls.open("a") as log:
    log.write(json.dumps([sys.argv[1:], os.getcwd()]) + "\\n")
todo = json.loads((here / "plan.json").read_text())
step = todo[min(number, len(todo) - 1)]
if step.get("sleep"):
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    (here / "child").write_text(str(child.pid))
    time.sleep(step["sleep"])
if step.get("fail"):
    print("INFO: starting"); print("ERROR: [HLS 200-70] " + step["fail"]); sys.exit(1)
text = step.get("text")
if text is None:
    resources = "".join(f"<{{k}}>{{v}}</{{k}}>" for k, v in step["resources"].items())
    text = f"""<profile><UserAssignments><Part>xc7z020-clg400-1</Part>
    <TopModelName>{{step.get('top', 'scale_add')}}</TopModelName>
    <TargetClockPeriod>10.00</TargetClockPeriod></UserAssignments>
    <PerformanceEstimates><SummaryOfTimingAnalysis><EstimatedClockPeriod>{{step.get('clock', 7.3)}}
    </EstimatedClockPeriod></SummaryOfTimingAnalysis><SummaryOfOverallLatency>
    <Worst-caseLatency>{{step['latency']}}</Worst-caseLatency></SummaryOfOverallLatency>
    </PerformanceEstimates><AreaEstimates><Resources>{{resources}}</Resources></AreaEstimates>
    </profile>"""
if not step.get("silent"):
    place = pathlib.Path("hls") / "hls" / "syn" / "report"
    place.mkdir(parents=True)
    (place / "csynth.xml").write_text(text)
'''
SMALL = {"DSP": 4, "LUT": 900, "FF": 800, "BRAM_18K": 0, "URAM": 0}


def install(folder: Path, steps: list[dict], launcher: str = "v++", version: str = "") -> Path:
    """A tool in `folder`, which does the steps one call after the other."""
    folder.mkdir(exist_ok=True)
    (folder / "plan.json").write_text(json.dumps(steps))
    path = folder / launcher
    says = version or "v++ v2023.2 (64-bit)"
    path.write_text(TOOL.format(python=sys.executable, version=says))
    path.chmod(0o755)
    return path


def calls(folder: Path) -> list[list[object]]:
    log = folder / "calls"
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


@pytest.fixture(scope="module")
def outcome():
    problem = make_problem(scale_add(), TARGET)
    with Store(None) as store:
        return explore(problem, Run("exact", store, SerialExecutor()))


def stage(outcome, tmp_path, tool: Path, **options):
    chosen = SynthesisOptions(tmp_path / "synthesis", tool=str(tool), **options)
    with Store(None) as store:
        return synthesise_finalists(outcome.problem, outcome.ranked, chosen, store)


def test_the_launcher_is_asked_what_it_is(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path / "none"))
    assert find_tool() is None
    folder = tmp_path / "bin"
    install(folder, [], "vitis_hls", "Vitis HLS - High-Level Synthesis v2022.1 (64-bit)")
    monkeypatch.setenv("PATH", str(folder))
    found = find_tool()
    assert (found.name, found.is_unified) == ("Vitis 2022.1", False)
    install(folder, [], "v++", "v++ v2022.1 (64-bit)")
    assert not find_tool().is_unified
    install(folder, [], "v++", "v++ v2024.1 (64-bit)")
    assert (find_tool().name, find_tool().is_unified) == ("Vitis 2024.1", True)
    assert find_tool(str(tmp_path)).name == "Vitis 2024.1"
    with pytest.raises(PomError, match="POM-X190"):
        find_tool("/bin/true")
    with pytest.raises(PomError, match="POM-X190"):
        find_tool(str(tmp_path / "none"))


def test_the_reports_decide(outcome, tmp_path):
    steps = [
        {"latency": 900, "resources": SMALL},
        {"latency": 700, "resources": {**SMALL, "LUT": 99_999}},
        {"latency": 800, "resources": SMALL},
    ]
    tool = install(tmp_path / "bin", steps)
    finalists, _, found = stage(outcome, tmp_path, tool)
    assert [m.latency_cycles for m in found.measured] == [900, 700, 800]
    # the third: the second needs more LUTs than there are
    assert [f.evaluation for f in finalists] == [outcome.ranked[n] for n in (2, 0, 1)]
    assert found.of(finalists[0].evaluation).resources.lut == 900
    asked = calls(tool.parent)
    assert asked[0][0] == ["-c", "--mode", "hls", "--config", "hls_config.cfg", "--work_dir", "hls"]
    assert len({place for _, place in asked}) == 3
    assert all((Path(place) / "scale_add.cpp").is_file() for _, place in asked)


def test_a_missed_clock_counts(outcome, tmp_path):
    steps = [
        {"latency": 700, "clock": 14.0, "resources": SMALL},
        {"latency": 900, "clock": 9.0, "resources": SMALL},
    ]
    tool = install(tmp_path / "bin", steps)
    finalists, _, _ = stage(outcome, tmp_path, tool, finalists=2)
    assert finalists[0].evaluation == outcome.ranked[1]


def test_the_folder_is_one_that_pom_qor_import_reads(outcome, tmp_path, capsys):
    tool = install(tmp_path / "bin", [{"latency": 900, "resources": SMALL}])
    stage(outcome, tmp_path, tool, finalists=2)
    again = tmp_path / "again.csv"
    assert run(["qor", "import", str(tmp_path / "synthesis"), "-o", str(again)]) == 0
    written = (tmp_path / "synthesis" / "labels.csv").read_text()
    assert again.read_text() == written
    assert len(written.splitlines()) == 3


@pytest.mark.parametrize(
    ("step", "reason"),
    [
        ({"fail": "cannot find the part"}, "code 1: ERROR: .*cannot find the part"),
        ({"text": "<profile><broken"}, "cannot be read: .*no XML"),
        ({"silent": True, "text": ""}, "wrote no csynth.xml"),
        ({"latency": "undef", "resources": SMALL}, "no latency"),
        ({"latency": 3, "resources": SMALL, "top": "other"}, "of other, not of scale_add"),
        ({"sleep": 60}, "stopped after 1 s"),
    ],
)
def test_a_failing_tool_leaves_the_order_of_the_search(outcome, tmp_path, step, reason):
    tool = install(tmp_path / "bin", [step])
    patience = 1.0 if "sleep" in step else 300.0
    finalists, _, found = stage(outcome, tmp_path, tool, finalists=2, timeout_s=patience)
    assert re.search(reason, found.note)
    if "sleep" in step:
        child = int((tool.parent / "child").read_text())
        deadline = time.monotonic() + 20
        while is_alive(child) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert not is_alive(child)
    assert [f.evaluation for f in finalists] == list(outcome.ranked[:2])
    assert all(m.latency_cycles is None for m in found.measured)
    assert found.of(finalists[0].evaluation) is None


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_nothing_is_synthesised_twice(tmp_path, capsys, monkeypatch):
    kernel = tmp_path / "k.py"
    kernel.write_text(
        "import pom\n\n@pom.kernel\ndef scale_add(x: pom.f32[20], y: pom.f32[20]):\n"
        "    for i in pom.loop('i', 0, 20):\n        y[i] += x[i] * 3\n"
    )
    tool = install(tmp_path / "bin", [{"latency": 21, "resources": SMALL}])
    command = ["dse", str(kernel), "--target", TARGET, "-o", str(tmp_path / "o"), "--json"]
    assert run([*command, "--vitis", str(tool)]) == 0
    record = json.loads(capsys.readouterr().out)["synthesis"]
    assert record["tool"] == "Vitis 2023.2"
    assert {m["latency_cycles"] for m in record["measured"]} == {21}
    number = len(calls(tool.parent))
    assert number == 3
    monkeypatch.setenv("PATH", f"{tool.parent}{os.pathsep}{os.environ['PATH']}")
    assert run([*command, "--resume"]) == 0
    assert json.loads(capsys.readouterr().out)["synthesis"] == record
    assert len(calls(tool.parent)) == number
    assert run([*command, "--vitis", "/bin/true"]) == 1
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "POM-X190"


def test_without_a_tool_it_says_so(outcome, tmp_path, monkeypatch):
    places = os.environ["PATH"].split(os.pathsep)
    without = [p for p in places if not any((Path(p) / n).exists() for n in ("v++", "vitis_hls"))]
    monkeypatch.setenv("PATH", os.pathsep.join(without))
    with Store(None) as store:
        options = SynthesisOptions(tmp_path / "synthesis")
        result = finish(outcome, 0.0, "none", options, store)
    assert "not done" in str(result)
    assert "neither v++" in result.report_html()
    assert result.to_json()["synthesis"]["measured"] == []
    assert not (tmp_path / "synthesis").exists()


def test_the_result_shows_what_was_reported(outcome, tmp_path):
    tool = install(tmp_path / "bin", [{"latency": 900, "clock": 12.5, "resources": SMALL}])
    options = SynthesisOptions(tmp_path / "synthesis", 1, str(tool))
    with Store(None) as store:
        result = finish(outcome, 0.0, "none", options, store)
    assert "900 cycles, dsp 4, lut 900, ff 800" in str(result)
    assert "it reaches 12.5 ns, not the 10 ns asked" in str(result)
    assert "reported cycles" in result.report_html()
