"""The patterns, one module each.

A new one is a module with what :class:`Detector` lists, and its name in ``DETECTORS``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import reduce
from typing import Any, Protocol

from pyspark.sql import DataFrame
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


DETECTIONS = "chunk int, pattern_id string, action_type string, merchant string, customer string, evidence string"
"""Schema of what :func:`detect_all` gives."""


def detect_all(batch: Batch, rules: Mapping[str, Any]) -> DataFrame:
    """Give the detections of all patterns: ``chunk, pattern_id, action_type, merchant, customer, evidence``.

    Parameters
    ----------
    batch
        The batch.
    rules
        Values by argument name; more than the detectors take does no harm.
    """
    found = [
        detector.detect(batch, **{name: rules[name] for name in detector.ARGUMENTS}).select(
            "chunk",
            F.lit(detector.PATTERN_ID).alias("pattern_id"),
            F.lit(detector.ACTION_TYPE).alias("action_type"),
            "merchant",
            "customer",
            "evidence",
        )
        for detector in DETECTORS
    ]
    return reduce(DataFrame.unionByName, found)
