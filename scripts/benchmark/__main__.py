"""`scripts/bench`: measures in one run, in turn, and prints a report in Markdown."""

from __future__ import annotations

import argparse
import datetime
import json
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from scripts.benchmark import targets
from scripts.benchmark.load import LoadPlan, LoadResult
from scripts.benchmark.processes import (
    machine,
    measured_core,
    move_to_core,
    on_core,
    other_core,
    rss_mb,
)
from scripts.benchmark.report import (
    BEGIN,
    END,
    NEW_PAGE,
    Sample,
    has_place,
    latency_table,
    throughput_table,
    with_report,
)
from scripts.benchmark.scenarios import Scenario, lone_stream, paced_scenario, scenarios
from scripts.benchmark.targets import BenchError, Target

PACED_STREAMS = 100


@dataclass(frozen=True, slots=True)
class Options:
    """How long and how often."""

    connections: int
    repeats: int
    seconds: float
    warm_up_s: float
    latency_s: float
    is_paced: bool
    without: tuple[str, ...]


class Bench:
    """Runs all scenarios against all targets, in turn, and collects the figures."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._samples: dict[tuple[str, str], list[Sample]] = defaultdict(list)
        self._first_byte_ms: dict[str, Sequence[float]] = {}
        self._rss: dict[str, float] = {}

    def run(self) -> str:
        """The report."""
        plans = scenarios(self._options.connections)
        if self._options.is_paced:
            plans.append(paced_scenario(PACED_STREAMS))
        with self._targets() as (upstream, measured):
            for _ in range(self._options.repeats):
                for scenario in plans:
                    for target in measured:
                        self._sample(scenario, target, upstream)
            for target in measured:
                found = self._load(lone_stream(), target, upstream, self._options.latency_s)
                self._first_byte_ms[target.name] = found.first_byte_ms
                self._rss[target.name] = rss_mb(target.pid)
        names = [target.name for target in measured]
        table = throughput_table(self._samples, [plan.name for plan in plans], names)
        return f"{table}\n\n{latency_table(self._first_byte_ms, self._rss)}"

    @contextmanager
    def _targets(self) -> Iterator[tuple[Target, list[Target]]]:
        with ExitStack() as stack:
            upstream = stack.enter_context(targets.simulator(other_core()))
            measured = []
            if "gateway" not in self._options.without:
                measured.append(stack.enter_context(targets.gateway(upstream.port)))
            if "mitmdump" not in self._options.without:
                measured.append(stack.enter_context(targets.mitmdump(upstream.port)))
            yield upstream, [*measured, upstream]

    def _sample(self, scenario: Scenario, target: Target, upstream: Target) -> None:
        seconds = self._options.seconds * (2 if scenario.is_paced else 1)
        found = self._load(scenario, target, upstream, seconds)
        own = found.cpu_ms[str(target.pid)]
        rest = sum(found.cpu_ms.values()) - own
        sample = Sample(found.rate, own / found.answers, rest / found.answers)
        self._samples[scenario.name, target.name].append(sample)
        print(f"{target.name}: {scenario.name}: {sample.rate:.0f}/s", file=sys.stderr)

    def _load(
        self, scenario: Scenario, target: Target, upstream: Target, seconds: float
    ) -> LoadResult:
        """One run of the load generator; the upstream has the measured core as the target alone."""
        is_upstream = target.pid == upstream.pid
        move_to_core(upstream.pid, measured_core() if is_upstream else other_core())
        host = f"127.0.0.1:{target.port}"
        warm_up_s = self._options.warm_up_s * (4 if scenario.is_paced else 1)
        plan = LoadPlan(
            port=target.port,
            requests=[scenario.request(host, key).decode() for key in target.keys],
            end=scenario.end.decode(),
            connections=scenario.connections,
            warm_up_s=warm_up_s,
            seconds=seconds,
            watch=sorted({target.pid, upstream.pid, *target.helpers}),
        )
        found = _run_load(plan)
        if found.failures or not found.answers:
            first = found.first_failure or "no answer at all"
            raise BenchError(f"{scenario.name}, {target.name}: {found.failures} failures: {first}")
        return found


def _run_load(plan: LoadPlan) -> LoadResult:
    plan_json = json.dumps({name: getattr(plan, name) for name in LoadPlan.__slots__})
    with on_core(other_core()):
        done = subprocess.run(
            [sys.executable, "-m", "scripts.benchmark.load"],
            input=plan_json,
            capture_output=True,
            text=True,
            cwd=targets.PROJECT,
            check=False,
        )
    if done.returncode:
        raise BenchError(f"the load generator failed: {done.stderr.strip().splitlines()[-1]}")
    return LoadResult(**json.loads(done.stdout))


FULL = Options(8, 7, 4.0, 1.0, 5.0, is_paced=True, without=())
QUICK = Options(8, 3, 1.0, 0.3, 1.0, is_paced=False, without=())


def read_options(arguments: Sequence[str]) -> tuple[Options, Path | None]:
    """Reads a command line: the options, and the file for the report if one is named."""
    parser = argparse.ArgumentParser("scripts/bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="under a minute: for a first look")
    parser.add_argument("--repeats", type=int, help="measured runs of each kind")
    parser.add_argument("--seconds", type=float, help="length of a measured run")
    parser.add_argument("--connections", type=int, help="clients at once")
    parser.add_argument("--without", action="append", default=[], choices=["gateway", "mitmdump"])
    parser.add_argument(
        "--output", type=Path, help="also write it into this page, or a new one, between two marks"
    )
    found = parser.parse_args(arguments)
    options = replace(QUICK if found.quick else FULL, without=tuple(found.without))
    for name in ("repeats", "seconds", "connections"):
        if getattr(found, name) is not None:
            options = replace(options, **{name: getattr(found, name)})
    return options, found.output


def heading(options: Options, arguments: Sequence[str]) -> str:
    """Machine, command and manner of measurement."""
    today = datetime.datetime.now(datetime.UTC).date()
    command = " ".join(["scripts/bench", *arguments])
    return (
        f"`{command}` on {today}: {machine()}.\n\n"
        f"The measured process has core {measured_core()} to itself; the load generator, the "
        f"simulator and mongod share core {other_core()}. {options.connections} keep-alive "
        f"clients; {options.repeats} runs of {options.seconds:g} s of each kind, in turn: "
        "medians, with the lowest and highest run in brackets. CPU time is that of the measured "
        "process with its threads; that of the rest is the simulator's and mongod's. The gateway "
        "is one worker with keys, limits, holds, journal and settlement on, its load spread over "
        f"{targets.KEYS} accounts."
    )


def page_of(path: Path) -> str:
    """The page that a report goes into; read before the measurement, which takes minutes.

    Raises:
        BenchError: It is there and does not say where: nothing written by hand is overwritten.
    """
    page = path.read_text(encoding="utf-8") if path.exists() else NEW_PAGE
    if not has_place(page):
        raise BenchError(f"{path} has no place for a report: two lines, {BEGIN} and {END}")
    return page


def main(arguments: Sequence[str]) -> int:
    """Runs it; 1 when it could not be measured."""
    options, output = read_options(arguments)
    try:
        page = page_of(output) if output is not None else ""
        report = f"{heading(options, arguments)}\n\n{Bench(options).run()}\n"
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    print(report)
    if output is not None:
        output.write_text(with_report(page, report), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
