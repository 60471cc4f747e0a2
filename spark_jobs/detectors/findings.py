"""Runs the detectors, and counts the rows that they have seen, in one action: the chunks are read once for both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import functions as F

from detectors import detect_all
from detectors.batch import Batch


@dataclass(frozen=True)
class Findings:
    """What a batch has come to.

    Attributes
    ----------
    rows
        How many transactions each chunk had.
    detections
        ``chunk, pattern_id, action_type, merchant, customer``, each key once.
    """

    rows: Mapping[int, int]
    detections: pa.Table

    def count(self, pattern_id: str) -> int:
        """Give how many detections of a pattern there are."""
        return int(pc.sum(pc.equal(self.detections["pattern_id"], pattern_id)).as_py() or 0)


def findings(batch: Batch, rules: Mapping[str, Any]) -> Findings:
    """Detect all patterns of a batch by the rules (see ``detectors.detect_all``), and fetch the result."""
    rows = batch.running.groupBy("chunk").agg(F.sum("added").alias("rows"))
    found = detect_all(batch, rules).unionByName(rows, allowMissingColumns=True).toArrow()
    counted = found.filter(pc.is_valid(found["rows"]))
    return Findings(
        rows=dict(zip(counted["chunk"].to_pylist(), counted["rows"].to_pylist(), strict=True)),
        detections=found.filter(pc.is_null(found["rows"])).drop_columns(["rows"]),
    )
