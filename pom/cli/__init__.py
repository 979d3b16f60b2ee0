"""The command line: ``pom COMMAND``. Commands are imported when they run.

Exit codes: 0 fine; 1 the input is at fault; 2 usage; 3 an internal error, with a report to attach;
130 interrupted.
"""

from __future__ import annotations

import importlib
import json
import sys

import click

from pom import __version__
from pom.errors import PomError

COMMANDS: dict[str, tuple[str, str]] = {
    "check": ("pom.cli.check:check", "Run a kernel three ways and compare the results."),
    "compile": ("pom.cli.compile:compile_", "Lower a kernel to any level, or to HLS C++."),
    "deps": ("pom.cli.deps:deps", "Show the dependences of a kernel."),
    "devices": ("pom.cli.devices:devices", "List the devices and their resources."),
    "doctor": ("pom.cli.doctor:doctor", "Say what is installed and what is missing."),
    "dse": ("pom.cli.dse:dse", "Search for the best accelerator."),
    "estimate": ("pom.cli.estimate:estimate", "Predict latency and resources, and say why."),
    "graph": ("pom.cli.graph:graph", "Draw the design graph that the GNN sees."),
    "opt": ("pom.cli.opt:opt", "Run passes over a program at any level."),
    "qor": ("pom.cli.qor:qor", "Evaluate and train the models of quality of results."),
}


class LazyGroup(click.Group):
    """A group whose commands are modules that are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        module, _, attribute = entry[0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name][1]) for name in self.list_commands(ctx)])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            import difflib

            close = difflib.get_close_matches(args[0], COMMANDS, 1)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            raise click.UsageError(f"No such command {args[0]!r}.{hint}", ctx)
        return super().resolve_command(ctx, args)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="pom")
def cli() -> None:
    """Kernels written in Python become checked FPGA accelerators."""


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit with its code; never shows a traceback for a user's mistake."""
    arguments = sys.argv[1:] if arguments is None else arguments
    sys.exit(run(arguments))


def run(arguments: list[str]) -> int:
    """Run one command and return the exit code."""
    try:
        result = cli.main(args=arguments, prog_name="pom", standalone_mode=False)
    except PomError as error:
        _show_error(error, as_json="--json" in arguments)
        return 1
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 1
    except Exception as error:  # the boundary: everything else is an internal error with a report
        from pom.cli.internal import write_report

        click.echo(write_report(error, arguments), err=True)
        return 3
    return result if isinstance(result, int) else 0


def _show_error(error: PomError, as_json: bool) -> None:
    if not as_json:
        click.echo(error.render(), err=True)
        return
    place = error.location
    record = {
        "error": {
            "code": error.code,
            "summary": error.summary,
            "file": place.file if place else None,
            "line": place.line if place else None,
            "column": place.column + 1 if place else None,
            "notes": list(error.notes),
            "hint": error.hint,
        }
    }
    click.echo(json.dumps(record, indent=2))
