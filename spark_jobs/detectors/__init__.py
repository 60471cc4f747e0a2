"""The patterns, one module each.

A new one is a module with what :class:`Detector` lists, and its name in ``DETECTORS``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from typing import Any, Protocol

from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F

from detectors import child, dei_needed, upgrade
from detectors.batch import Arguments, Batch


class Detector(Protocol):
    """A module that detects one pattern.

    Attributes
    ----------
    PATTERN_ID
        The pattern's id in the ledger.
    ACTION_TYPE
        The action that its detections ask for.
    ARGUMENTS
        The job's arguments that it takes, with the type of each.
    detect
        Gives ``merchant, customer, chunk, evidence`` for a batch and those arguments, each key once.
    """

    PATTERN_ID: str
    ACTION_TYPE: str
    ARGUMENTS: Arguments
    detect: Callable[..., DataFrame]


DETECTORS: tuple[Detector, ...] = (upgrade, child, dei_needed)


def detect_all(batch: Batch, rules: Mapping[str, Any], *, at_once: bool = False) -> list[Row]:
    """Find the detections of all patterns: ``chunk, pattern_id, action_type, merchant, customer, evidence``.

    Parameters
    ----------
    batch
        The batch.
    rules
        Values by argument name; more than the detectors take does no harm.
    at_once
        Let Spark plan for the detectors beside each other. What all of them use is worked out for the first that asks, and the
        others' tasks wait for it: of a large batch that leaves less of Spark to the one that works.
    """

    def found_by(detector: Detector) -> list[Row]:
        found = detector.detect(batch, **{name: rules[name] for name in detector.ARGUMENTS})
        what = (F.lit(detector.PATTERN_ID).alias("pattern_id"), F.lit(detector.ACTION_TYPE).alias("action_type"))
        return found.select("chunk", *what, "merchant", "customer", "evidence").collect()

    with ThreadPoolExecutor(len(DETECTORS) if at_once else 1) as pool:
        return list(chain.from_iterable(pool.map(found_by, DETECTORS)))
