"""The command line of the chaos: ``python -m local.chaos --seed N --rounds N``, behind ``make chaos``."""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

from local.chaos.feed import ChaosFeed, make_files
from local.chaos.outcome import Outcome
from local.chaos.plan import KILLS, Event, Kind, make_plan
from local.chaos.rounds import Round, feed_name, files_folder, run_baseline, run_round
from local.chaos.scene import Scene
from local.chaos.table import print_table, write_markdown
from local.run import reported
from local.stack import Stack


@dataclass(frozen=True)
class Chaos:
    """What a chaos has found: the files that all feeds were made of, the baseline, the rounds."""

    files: tuple[Path, Path]
    baseline: Outcome
    rounds: list[Round]


def run_chaos(stack: Stack, seed: int, plan: list[list[Event]]) -> Chaos:
    """Run the baseline and then the plan, in a stack that is up.

    Events whose target did not turn up in their round are done in the next one, or in one more.
    """
    scene = Scene(stack, say=lambda line: print(line, flush=True))
    scene.unpause()
    files = make_files(files_folder(stack.directory), seed)
    scene.say("running the feed undisturbed")
    baseline = run_baseline(scene, ChaosFeed(scene, feed_name(seed, "baseline"), files, interval_seconds=0))
    scene.say(f"{len(baseline.chunks)} chunks, {len(baseline.detections)} detections, {len(baseline.files)} files")
    rounds: list[Round] = []
    waiting = [list(events) for events in plan]
    while waiting:
        events = waiting.pop(0)
        number = len(rounds) + 1
        scene.say(f"round {number}: " + ", ".join(f"{event.kind} {event.delay} s into {event.task}" for event in events))
        rounds.append(run_round(scene, ChaosFeed(scene, feed_name(seed, str(number)), files), number, events, baseline))
        if rounds[-1].missed:
            waiting[:1] = [rounds[-1].missed + (waiting[0] if waiting else [])]
    scene.close()
    return Chaos(files, baseline, rounds)


def main() -> int:
    """Command line of ``make chaos``."""
    parser = argparse.ArgumentParser(prog="python -m local.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same events")
    parser.add_argument("--rounds", type=int, default=3, help="feeds to run, each with four kills; 10 take about 25 minutes")
    parser.add_argument("--kinds", nargs="+", type=Kind, choices=KILLS, default=KILLS, help="what to kill")
    parser.add_argument("--table", type=Path, help="Markdown file to write the table to")
    arguments = parser.parse_args()
    if arguments.seed < 0 or arguments.rounds < 1:
        parser.error("--seed is at least 0, --rounds at least 1")
    rounds: list[Round] = []
    status = reported(lambda: _main(arguments, rounds))
    return status or int(any(done.problems for done in rounds))


def _main(arguments: argparse.Namespace, rounds: list[Round]) -> None:
    command = f"make chaos SEED={arguments.seed} ROUNDS={arguments.rounds}"
    if tuple(arguments.kinds) != KILLS:
        command += f' KINDS="{" ".join(arguments.kinds)}"'
    plan = make_plan(arguments.seed, arguments.rounds, arguments.kinds)
    with Stack(say=lambda line: print(line, flush=True)).running() as stack:
        rounds += run_chaos(stack, arguments.seed, plan).rounds
    print_table(rounds)
    print(f"repeat it with: {command}")
    if arguments.table:
        write_markdown(rounds, command, arguments.table)


if __name__ == "__main__":
    sys.exit(main())
