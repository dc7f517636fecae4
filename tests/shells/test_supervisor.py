"""Children that are kept running: started again with growing pauses, ended in order, gone with their parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import typer
from structlog.testing import capture_logs

from streams.shells import cli
from streams.shells.children import ChildError, Pace, Plan, keep_running
from streams.shells.cli_kafka import Together
from streams.shells.kafka.supervisor import plans

ROOT = Path(__file__).parents[2]
QUICK = Pace(first_s=0.05, longest_s=0.2, steady_s=60.0, stop_s=5.0)
WAITS = "import time; time.sleep(60)"


def python(name: str, code: str, *arguments: object) -> Plan:
    return Plan(name, (sys.executable, "-c", code, *map(str, arguments)))


def until(true: Callable[[], object], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "did not come about"
        time.sleep(0.01)


class Running:
    """``keep_running`` in a thread, with what it logs."""

    def __init__(self, *stages: list[Plan], pace: Pace = QUICK) -> None:
        self.stop = threading.Event()
        self.errors: list[BaseException] = []
        self._stages, self._pace = stages, pace
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        try:
            keep_running(self._stages, self.stop, self._pace)
        except ChildError as error:
            self.errors.append(error)

    def __enter__(self) -> Running:
        self._capture = capture_logs()
        self._logs = self._capture.__enter__()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.end()
        self._capture.__exit__(None, None, None)

    def end(self) -> None:
        self.stop.set()
        self._thread.join(30)
        assert not self._thread.is_alive()

    def said(self, event: str) -> list[dict[str, object]]:
        return [dict(entry) for entry in self._logs if entry["event"] == event]

    def pids(self, name: str) -> list[int]:
        return [int(str(entry["pid"])) for entry in self.said("child_started") if entry["child"] == name]


def alive(pid: int) -> bool:
    """Whether it runs; one that nobody has waited for does not."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def test_a_child_that_is_killed_is_started_again():
    with Running([python("one", WAITS), python("two", WAITS)]) as running:
        until(lambda: running.pids("one") and running.pids("two"))
        (first,), (two,) = running.pids("one"), running.pids("two")
        os.kill(first, signal.SIGKILL)
        until(lambda: len(running.pids("one")) == 2)
        assert running.said("child_ended") == [
            {"event": "child_ended", "log_level": "error", "child": "one", "pid": first, "status": "SIGKILL", "again_in_s": 0.05}
        ]
        assert running.pids("two") == [two], "the other one is left alone"
    assert not alive(running.pids("one")[1])
    assert not alive(two)


def test_the_pause_grows_and_is_bounded():
    with Running([python("one", "import sys; sys.exit(3)")]) as running:
        until(lambda: len(running.said("child_ended")) >= 5)
    told = running.said("child_ended")
    assert [entry["again_in_s"] for entry in told[:5]] == [0.05, 0.1, 0.2, 0.2, 0.2]
    assert {entry["status"] for entry in told} == {3}


def test_the_pause_begins_anew_after_a_child_has_run_for_a_while():
    with Running([python("one", "import time; time.sleep(0.3)")], pace=QUICK._replace(steady_s=0.2)) as running:
        until(lambda: len(running.said("child_ended")) >= 3)
    assert {entry["again_in_s"] for entry in running.said("child_ended")} == {0.05}
    assert {entry["status"] for entry in running.said("child_ended")} == {0}, "whoever ends unasked is started again"


def test_a_child_that_was_started_wrongly_ends_them_all():
    with Running([python("good", WAITS)], [python("bad", "import time, sys; time.sleep(0.3); sys.exit(2)")]) as running:
        until(lambda: running.errors)
    assert str(running.errors[0]) == "bad cannot be run like this (status 2): its last line above says what to correct"
    assert len(running.pids("bad")) == 1
    assert not alive(running.pids("good")[0])


def test_a_program_that_is_not_there_is_tried_again():
    with Running([Plan("gone", ("/nowhere/at/all",))]) as running:
        until(lambda: len(running.said("child_not_started")) >= 2)
    assert running.said("child_not_started")[0]["reason"] == "No such file or directory"


ENDS = """
import pathlib, signal, sys, threading
def end(*_):
    with open(sys.argv[1], "a") as file: file.write(sys.argv[2] + "\\n")
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
pathlib.Path(sys.argv[1] + "." + sys.argv[2]).touch()
threading.Event().wait()
"""


def test_children_are_ended_stage_by_stage(tmp_path: Path):
    log = tmp_path / "ended"
    stages = [[python(name, ENDS, log, name)] for name in ("intake", "assess", "cockpit")]
    with Running(*stages) as running:
        until(lambda: len(list(tmp_path.iterdir())) == 3)
        running.end()
    assert log.read_text().split() == ["intake", "assess", "cockpit"]
    assert running.said("child_ended") == [], "nobody ended unasked"


def test_a_child_that_does_not_end_is_killed(tmp_path: Path):
    ready = tmp_path / "ready"
    deaf = (
        f"import signal, time, pathlib; signal.signal(signal.SIGTERM, signal.SIG_IGN); pathlib.Path({str(ready)!r}).touch(); time.sleep(60)"
    )
    with Running([python("deaf", deaf)], pace=QUICK._replace(stop_s=0.2)) as running:
        until(ready.exists)
        running.end()
        assert [entry["child"] for entry in running.said("child_killed")] == ["deaf"]
    assert not alive(running.pids("deaf")[0])


SUPERVISOR = """
import sys, threading
from streams.shells.children import Plan, keep_running
keep_running([[Plan("one", (sys.executable, "-c", sys.argv[1]))]], threading.Event())
"""


def test_children_die_with_their_parent():
    command = [sys.executable, "-c", SUPERVISOR, "import os, time; print(os.getpid(), flush=True); time.sleep(60)"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=ROOT) as parent:
        assert parent.stdout is not None
        while not (line := parent.stdout.readline().strip()).isdigit():  # what the parent logs passes by, and so does what the child says
            assert line
        pid = int(line)
        assert alive(pid)
        parent.kill()
    until(lambda: not alive(pid))


FLAGS = Together("small", Path("state"), "127.0.0.1:9092", Path("place.yaml"), 8311, True, 30, 2, 3, 4)


def test_the_children_of_the_kafka_shell():
    stages = plans(FLAGS)
    assert [[plan.name for plan in stage] for stage in stages] == [
        ["intake-1", "intake-2"],
        ["assess-1", "assess-2", "assess-3"],
        ["sink-clickhouse"],
        ["cockpit"],
    ]
    commands = {plan.name: " ".join(plan.command[3:]) for stage in stages for plan in stage}
    where = "--kafka 127.0.0.1:9092 --deployment place.yaml"
    assert commands["intake-2"] == f"intake --city small --state state {where} --instance 2"
    assert commands["assess-3"] == f"assess {where} --snapshot-every 30 --instance 3"
    assert commands["sink-clickhouse"] == f"sink clickhouse {where}"
    assert commands["cockpit"] == f"cockpit --city small --state state {where} --port 8311"


def test_the_command_line_knows_what_the_children_are_given():
    for plan in (plan for stage in plans(FLAGS) for plan in stage):
        command: Any = typer.main.get_command(cli.app)
        arguments = list(plan.command[3:])
        while hasattr(command, "commands"):
            command = command.commands[arguments.pop(0)]
        assert command.make_context(plan.name, arguments).params


def test_what_is_left_out_is_left_to_the_environment():
    stages = plans(FLAGS._replace(kafka="", deployment=None, clickhouse=False, intakes=1, assessors=1))
    assert [plan.name for stage in stages for plan in stage] == ["intake-1", "assess-1", "cockpit"]
    assert all({"--kafka", "--deployment"}.isdisjoint(plan.command) for stage in stages for plan in stage)
