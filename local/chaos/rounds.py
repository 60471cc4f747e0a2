"""Runs the baseline and the rounds, and judges each round."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from local.chaos.events import NoTargetError, happen
from local.chaos.feed import ChaosFeed
from local.chaos.invariants import violations
from local.chaos.outcome import Outcome, differences, read_outcome
from local.chaos.plan import Event
from local.chaos.scene import Scene, wait_for
from local.config import StackError

_HEALTHY_SECONDS = 240
_ROUND_SECONDS = 360
_BASELINE_SECONDS = 240


@dataclass(frozen=True)
class Incident:
    """An event that has happened.

    Attributes
    ----------
    event
        The event of the plan.
    what
        What was hit.
    seconds
        When, in seconds of the round.
    landed, applied
        Which chunks had landed and were applied then.
    ill_seconds
        How long until what was hit was healthy again; ``None``: nothing was ill.
    """

    event: Event
    what: str
    seconds: float
    landed: int
    applied: int
    ill_seconds: float | None


@dataclass
class Round:
    """What happened in a round, and what came of it: ``problems`` is empty when all is as it must be."""

    number: int
    feed: str
    incidents: list[Incident] = field(default_factory=list)
    missed: list[Event] = field(default_factory=list)
    seconds: float = 0
    problems: list[str] = field(default_factory=list)


def run_baseline(scene: Scene, feed: ChaosFeed) -> Outcome:
    """Run a feed undisturbed and give its outcome.

    Raises
    ------
    StackError
        It does not come to its end in time, or breaks a rule that holds of every feed.
    """
    feed.start()
    wait_for(f"feed {feed.name} done", lambda: feed.is_done() and not scene.busy(), _BASELINE_SECONDS)
    scene.unfollow(feed.name)
    if problems := violations(scene, feed.name):
        raise StackError("the undisturbed run is not sound: " + "; ".join(problems))
    return read_outcome(scene.addresses, feed.name)


def run_round(scene: Scene, feed: ChaosFeed, number: int, events: Sequence[Event], baseline: Outcome) -> Round:
    """Run a feed, let the events happen one after the other, wait for its end, and compare it with the baseline."""
    done = Round(number, feed.name)
    started = time.monotonic()
    feed.start()
    for event in events:
        try:
            done.incidents.append(_incident(scene, feed, event, started))
        except NoTargetError as error:
            scene.say(f"round {number}: {event.kind} put off: {error}")
            done.missed.append(event)
        except StackError as error:
            done.problems.append(str(error))
    try:
        _wait_for_end(scene, feed)
    except StackError as error:
        done.problems.append(str(error))
    else:
        scene.unfollow(feed.name)
        done.problems += violations(scene, feed.name) + differences(baseline, read_outcome(scene.addresses, feed.name))
    done.seconds = time.monotonic() - started
    scene.say(f"round {number}: {'as undisturbed' if not done.problems else 'DIFFERS'} after {done.seconds:.0f} s")
    return done


def _incident(scene: Scene, feed: ChaosFeed, event: Event, started: float) -> Incident:
    hit = happen(scene, feed, event)
    at = time.monotonic()
    landed, applied = feed.landed, feed.applied  # when it was hit: the ledger may be away now
    scene.say(f"{at - started:6.1f} s  {hit.what}; landed {landed}, applied {applied}")
    ill_seconds = None
    if hit.healthy is not None:
        wait_for(f"{hit.what} healthy again", hit.healthy, _HEALTHY_SECONDS)
        ill_seconds = time.monotonic() - at
        scene.say(f"{time.monotonic() - started:6.1f} s  healthy again")
    return Incident(event, hit.what, at - started, landed, applied, ill_seconds)


def _wait_for_end(scene: Scene, feed: ChaosFeed) -> None:
    """Wait until the feed is done and nothing is at work any more; start it again when nobody carries it on."""

    def ended() -> bool:
        if feed.needs_a_start():
            scene.say("nobody carries the feed on: started again")
            feed.start()
        return feed.is_done() and not scene.busy() and not scene.job_processes()

    wait_for(f"feed {feed.name} done", ended, _ROUND_SECONDS)


def feed_name(seed: int, what: str) -> str:
    """Give a feed a name that no earlier chaos has used."""
    return f"chaos-{seed}-{what}-{int(time.time()):x}"


def files_folder(directory: Path) -> Path:
    """Give the folder in which a stack keeps the files of the chaos."""
    return directory / "chaos"
