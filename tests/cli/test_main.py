"""Exit codes, error rendering and start-up time's causes, for every command."""

from __future__ import annotations

import json
import subprocess
import sys

import click
import pytest

from pom import cli
from pom.cli import COMMANDS, run
from pom.errors import PomError
from pom.ir.location import Location


@pytest.fixture
def command(monkeypatch):
    """Installs a command `probe` that runs a function."""

    def install(function):
        probe = click.command("probe")(function)
        monkeypatch.setitem(COMMANDS, "probe", ("tests.cli.test_main:_unused", "A probe."))
        monkeypatch.setattr(
            cli.LazyGroup, "get_command", lambda self, ctx, name: probe if name == "probe" else None
        )

    return install


def test_help_lists_every_command(capsys):
    assert run(["--help"]) == 0
    out = capsys.readouterr().out
    for name, (_, summary) in COMMANDS.items():
        assert name in out
        assert summary in " ".join(out.split())


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_has_help(name, capsys):
    assert run([name, "--help"]) == 0
    assert "Usage:" in capsys.readouterr().out


def test_unknown_command_is_usage_with_a_suggestion(capsys):
    assert run(["compil"]) == 2
    assert "Did you mean 'compile'" in capsys.readouterr().err


def test_unknown_option_is_usage(capsys):
    assert run(["devices", "--frob"]) == 2
    assert "--frob" in capsys.readouterr().err


def test_user_error_is_rendered_with_caret_and_code_one(command, capsys, tmp_path):
    source = tmp_path / "k.py"
    source.write_text("x = 1\n    A[i, j] = 2\n")

    def fail():
        raise PomError("POM-X998", "no", Location(str(source), 2, 4, 11), "do this", ("a note",))

    command(fail)
    assert run(["probe"]) == 1
    err = capsys.readouterr().err
    assert err.splitlines() == [
        "POM-X998: no",
        f"  {source}:2:5",
        "      A[i, j] = 2",
        "      ^^^^^^^",
        "  a note",
        "hint: do this",
    ]


def test_user_error_as_json(capsys):
    assert run(["compile", "--json", "/nonexistent/k.py"]) == 1
    record = json.loads(capsys.readouterr().out)["error"]
    assert record["code"].startswith("POM-")
    assert "/nonexistent/k.py" in record["summary"]


def test_internal_error_leaves_a_report(command, capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)

    def fail():
        raise RuntimeError("an invariant does not hold")

    command(fail)
    assert run(["probe"]) == 3
    err = capsys.readouterr().err
    assert "Traceback" not in err
    (report,) = tmp_path.glob("pom-internal-error-*.txt")
    assert str(report) in err
    assert "an invariant does not hold" in report.read_text()
    assert "Traceback" in report.read_text()


def test_interrupt_is_130(command, capsys):
    def fail():
        raise KeyboardInterrupt

    command(fail)
    assert run(["probe"]) == 130
    assert "interrupted" in capsys.readouterr().err


def test_help_imports_nothing_heavy():
    probe = (
        "import sys\nfrom pom.cli import run\nrun(['--help'])\n"
        "heavy = {'mlir', 'islpy', 'numpy', 'torch', 'networkx'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_passes_are_listed_without_a_file(capsys):
    assert run(["opt", "--list"]) == 0
    assert "poly-split{statement=str loop=str factor=int" in capsys.readouterr().out
