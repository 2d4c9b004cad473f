"""What a user sees of the command line before any command does its work: help, wrong usage, errors."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tidegate import __version__
from tidegate.cli.main import program, render_error, run
from tidegate.cli.parser import Parser
from tidegate.errors import NotReady

WITHOUT_EXAMPLE = {"init", "check", "schema", "agent run", "agent start", "agent status", "agent stop"}


def commands(parser: Parser) -> Iterator[Parser]:
    for child in parser.commands.values():
        yield from commands(child) if child.commands else [child]


COMMANDS = {command.prog.removeprefix("tidegate "): command for command in commands(program())}


# --- help --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("flag", ["-h", "--help"])
@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name: str, flag: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*name.split(), flag]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"usage: tidegate {name} [-h]")
    assert all(len(line) < 80 for line in shown.splitlines())
    if name not in WITHOUT_EXAMPLE:
        examples = [line for line in shown.splitlines() if f" tidegate {name}" in line and "usage" not in line]
        assert examples, "each example stands on a line of its own"


@pytest.mark.parametrize(("words", "listed"), [([], {"init", "deploy", "agent"}), (["agent"], {"run", "status"})])
def test_a_group_lists_its_commands(words: list[str], listed: set[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*words, "--help"]) == 0
    shown = capsys.readouterr().out
    assert listed <= {line.split()[0] for line in shown.splitlines() if line.startswith("  ")}


@pytest.mark.parametrize("words", [[], ["agent"]])
def test_a_group_without_a_command_is_wrong_usage_and_helped(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(words) == 2
    assert "commands:" in capsys.readouterr().err


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"tidegate {__version__}\n"


# --- usage -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("deploi staging --wait", "there is no command deploi; did you mean deploy?"),
        ("agent statsu", "there is no command statsu; did you mean status"),
        ("deploy staging --wiat", "there is no option --wiat; did you mean --wait?"),
        ("deploy staging --comit=HEAD", "there is no option --comit; did you mean --commit"),
        ("deploy --wai", "there is no option --wai; did you mean --wait"),
        ("--versoin", "there is no option --versoin; did you mean --version?"),
        ("plan", "the following arguments are required: ENV"),
        ("plan staging production", "production is one argument too many"),
        ("deploy --why", "argument --why: expected one argument"),
        ("logs staging --tail many", "argument --tail: 'many' is not a number from 0 to 100000"),
        ("history staging --limit 0", "argument --limit: '0' is not a number from 1 to 1000"),
    ],
)
def test_wrong_usage_says_what_is_near(line: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(line.split()) == 2
    shown = capsys.readouterr()
    assert not shown.out
    assert shown.err.startswith("usage: tidegate")
    assert f"error: {said}" in shown.err
    assert shown.err.splitlines()[-1].startswith("hint: tidegate")


def test_wrong_usage_cannot_write_to_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["\x1b[2Jdeploy"]) == 2
    assert "\x1b" not in capsys.readouterr().err


@pytest.mark.parametrize(
    "line",
    [
        "rollback production r12 --wait --repo shop",
        "rollback production --wait r12 --repo=shop",
        "rollback --repo shop production --wait r12",
        "rollback --wait --repo shop -- production r12",
    ],
)
def test_options_stand_anywhere_after_the_command(line: str) -> None:
    command, fields = program().parse(line.split())
    assert command.__name__ == "rollback"
    assert fields == {
        "environment": "production",
        "release": "r12",
        "repo": Path("shop"),
        "wait": True,
        "why": "",
        "as_json": False,
    }


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_takes_what_its_options_give(name: str) -> None:
    words = [*name.split(), *(["staging"] if "ENV" in COMMANDS[name].format_usage().split() else [])]
    command, fields = program().parse(words)
    assert fields.keys() == inspect.signature(command).parameters.keys()


# --- errors ------------------------------------------------------------------------------------------

FAULT = NotReady("web is not ready\x1b]0;title\x07", hint="Look at the log.", details=["\x1b[31mred\x1b[0m \x9b2J"])


def test_an_error_has_a_code_the_evidence_a_hint_and_a_page(capsys: pytest.CaptureFixture[str]) -> None:
    render_error(FAULT, as_json=False)
    assert capsys.readouterr().err.splitlines() == [
        f"error: web is not ready [{FAULT.code}]",
        "  | red 2J",
        "hint: Look at the log.",
        f"manual: docs/errors/{FAULT.code}.md",
    ]


def test_an_error_of_a_command_is_said_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / ".git").mkdir()
    assert run(["check", "--repo", str(tmp_path)]) == 1
    shown = capsys.readouterr()
    assert not shown.out
    assert [line.partition(":")[0] for line in shown.err.splitlines()] == ["error", "hint", "manual"]
    assert "[file-missing]" in shown.err


def test_an_error_for_machines_is_one_json_object(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["rollback", "staging", "latest", "--json"]) == 1
    shown = capsys.readouterr()
    assert not shown.err
    said = json.loads(shown.out)
    assert said["kind"] == "error"
    assert said["error"]["code"] == "no-such-release"
    assert said["error"]["page"] == "docs/errors/no-such-release.md"


# --- start-up ----------------------------------------------------------------------------------------


def test_help_waits_for_nothing_heavy() -> None:
    code = "import sys; before = set(sys.modules); import tidegate.cli.main; print(*set(sys.modules) - before)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    light = {"agent", "deliver", "files", "look", "main", "options", "parser", "text", "undo"}
    ours = {"tidegate", "tidegate.cli", "tidegate.errors", *(f"tidegate.cli.{name}" for name in light)}
    assert {name for name in loaded if name.startswith("tidegate")} == ours
    assert not {"dataclasses", "datetime", "json", "pathlib", "pydantic", "rich", "shutil"} & set(loaded)
