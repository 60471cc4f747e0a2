"""Says in a sentence why a detection was made, from the numbers that the ledger keeps with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any

NOT_KEPT = "not kept: detected by an older version"
"""What is said of a detection without evidence."""

Evidence = Mapping[str, Any]


def explain(pattern_id: str, evidence: Evidence | None) -> str:
    """Give the sentence of a detection. It is true as it stands there: a number is shown with as many places as that takes.

    Parameters
    ----------
    pattern_id
        The pattern; of one that has no sentence here, the evidence is listed.
    evidence
        ``ledger.detection.evidence``: whole numbers, and decimals as text; ``None`` in detections of an older version.
    """
    if evidence is None:
        return NOT_KEPT
    return _SENTENCES.get(pattern_id, _listed)(evidence)


def _upgrade(evidence: Evidence) -> str:
    weight, limit = Fraction(evidence["weight"]), Fraction(evidence["weight_limit"])
    places = 4
    while weight != limit and _rounded(weight, places) == _rounded(limit, places):
        places += 1
    return (
        f"{_counted(evidence['transactions'], 'transaction')} (at least {evidence['transactions_needed']:,} needed), "
        f"weight {_rounded(weight, places):,f} (at most {_rounded(limit, places):,f}), "
        f"of {_counted(evidence['customers'], 'customer')}; "
        f"merchant has more than {_counted(evidence['upgrade_min_transactions'], 'transaction')}"
    )


def _child(evidence: Evidence) -> str:
    average, limit = Fraction(evidence["amount"]) / evidence["transactions"], Decimal(evidence["child_max_average"])
    places = 2
    while _rounded(average, places) >= limit:
        places += 1
    return f"{_counted(evidence['transactions'], 'transaction')}, average {_rounded(average, places):,f} < {limit:,f}"


def _dei_needed(evidence: Evidence) -> str:
    female, male, least = (evidence[name] for name in ("female", "male", "dei_min_female"))
    return f"{_counted(female, 'female customer')} > {least:,}, fewer than {_counted(male, 'male one')}"


def _listed(evidence: Evidence) -> str:
    return ", ".join(f"{name} {value}" for name, value in evidence.items())


_SENTENCES: Mapping[str, Callable[[Evidence], str]] = {"PatId1": _upgrade, "PatId2": _child, "PatId3": _dei_needed}


def _counted(count: int, thing: str) -> str:
    return f"{count:,} {thing}{'' if count == 1 else 's'}"


def _rounded(number: Fraction, places: int) -> Decimal:
    """Round to so many places, half to even; exact however long the number is."""
    digits = round(number * 10**places)
    return Decimal(f"{digits}e-{places}")
