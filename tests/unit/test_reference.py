"""PatId2, PatId3 and reading by example, counted by hand: what the reference says here, the product has to say."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from tests.handmade import NO_CHILD, NO_DEI, NO_UPGRADE, Row, buy, feed, importance, weigh
from tests.reference import Detection, MerchantTotal, PairTotal, detect, smallest_ranks, state
from tests.reference_rows import read_importance


def children(rows: list[Row], **rules: Any) -> list[tuple[int, str]]:
    rules = {"chunk_size": 1, **NO_UPGRADE, **NO_DEI, **rules}
    found = detect(feed(*rows), importance(), rules)
    assert {(d.pattern_id, d.action_type, d.merchant) for d in found} <= {("PatId2", "CHILD", "M1")}
    return [(d.chunk, d.customer) for d in found]


def dei_needed(rows: list[Row], **rules: Any) -> list[int]:
    rules = {"chunk_size": 1, "dei_min_female": 1, **NO_UPGRADE, **NO_CHILD, **rules}
    found = detect(feed(*rows), importance(), rules)
    assert {d[1:] for d in found} <= {("PatId3", "DEI-NEEDED", "", "M1")}
    return [d.chunk for d in found]


# PatId2


def test_child_needs_at_least_the_minimum_of_transactions() -> None:
    assert children([buy("a")] * 4, child_min_transactions=3) == [(3, "a")]
    assert children([buy("a")] * 2, child_min_transactions=3) == []


@pytest.mark.parametrize(
    ("amounts", "holds"),
    [
        (["23.00", "23.00"], False),  # the average is not below 23
        (["23.00", "22.99"], True),
        (["23.01", "22.99"], False),
        (["0", "45.99"], True),
    ],
)
def test_child_average_is_exactly_below(amounts: list[str], holds: bool) -> None:
    found = children([buy("a", amount=amount) for amount in amounts], child_min_transactions=2)
    assert found == ([(2, "a")] if holds else [])


@pytest.mark.parametrize("limit", [22.9, "22.9", Decimal("22.9")])
def test_child_average_may_be_a_fraction(limit: object) -> None:
    rows = [buy("a", amount="22.90"), buy("b", amount="22.89")]
    assert children(rows, child_min_transactions=1, child_max_average=limit) == [(2, "b")]


def test_rules_look_at_chunk_boundaries_only() -> None:
    # The average is 10 after the first row, 30 after the second.
    rows = [buy("a", amount="10"), buy("a", amount="50")]
    assert children(rows, child_min_transactions=1, chunk_size=2) == []
    assert children(rows, child_min_transactions=1, chunk_size=1) == [(1, "a")]


def test_totals_run_over_all_chunks_and_a_child_is_emitted_once() -> None:
    # Averages: 40, 25, 20, 30, 24, 20.8: holds at chunk 3, not at 4 and 5, again at 6.
    rows = [buy("a", amount=amount) for amount in ("40", "10", "10", "60", "0", "5")]
    assert children(rows, child_min_transactions=1) == [(3, "a")]


def test_a_customer_is_counted_at_each_merchant_apart() -> None:
    rows = [buy("a", "M1"), buy("a", "M2"), buy("a", "M1"), buy("a", "M2")]
    assert children(rows, child_min_transactions=3) == []


# PatId3


def women(*names: str) -> list[Row]:
    return [buy(name, gender="F") for name in names]


def men(*names: str) -> list[Row]:
    return [buy(name, gender="M") for name in names]


def test_dei_needs_more_women_than_the_minimum_and_fewer_than_men() -> None:
    assert dei_needed(women("a") + men("m", "n", "o")) == []  # 1 is not more than 1
    assert dei_needed(women("a", "b") + men("m", "n")) == []  # 2 are not fewer than 2
    assert dei_needed(women("a", "b") + men("m", "n", "o")) == [5]


def test_a_customer_counts_once() -> None:
    assert dei_needed(women("a", "a", "a") + men("m", "n", "o")) == []
    assert dei_needed(women("a", "b") + men("m", "m", "n", "n", "n")) == []


def test_other_genders_say_nothing() -> None:
    rows = women("a", "b") + men("m", "n")
    others = [buy("x", gender=gender) for gender in ("E", "U", "", "MALE")]
    assert dei_needed(rows + others) == []
    # m stays a man although he was seen without a gender too.
    assert dei_needed([*rows, buy("m", gender="U"), *men("o")]) == [6]


def test_gender_is_upper_cased() -> None:
    rows = [buy("a", gender="f"), buy("b", gender=" f "), buy("m", gender="m"), *men("n", "o")]
    assert dei_needed(rows) == [5]


def test_a_customer_seen_as_both_counts_as_neither() -> None:
    assert dei_needed(women("a", "b") + men("b", "m", "n", "o")) == []  # one woman is left
    assert dei_needed(women("a", "b", "m") + men("m", "n", "o")) == []  # 2 women, 2 men
    assert dei_needed(women("a", "b", "c") + men("c", "m", "n", "o")) == [7]  # 2 women, 3 men


def test_conflict_in_a_later_chunk_takes_nothing_back_and_adds_nothing() -> None:
    # Chunk 5: 2 women, 3 men. Chunk 6: m is seen as a woman, 2 and 2. Chunk 7: 2 and 3 again.
    rows = women("a", "b") + men("m", "n", "o") + women("m") + men("p")
    assert dei_needed(rows) == [5]


def test_conflict_is_of_one_merchant_only() -> None:
    rows = [*women("a", "b"), buy("m", "M2", gender="F"), *men("m", "n", "o")]
    assert dei_needed(rows) == [6]


# Reading


def test_detections_are_in_byte_order() -> None:
    merchants, customers = ["é", "z", "Z"], ["b", "a"]
    rows = [buy(customer, merchant, gender="F") for merchant in merchants for customer in customers]
    found = detect(feed(*rows), importance(weigh("a", "1", "z")), {
        "chunk_size": 4, "upgrade_min_transactions": 0, "child_min_transactions": 1, **NO_DEI,
    })  # fmt: skip
    assert found == [
        Detection(1, "PatId1", "UPGRADE", "a", "z"),
        Detection(1, "PatId2", "CHILD", "a", "z"),
        Detection(1, "PatId2", "CHILD", "b", "z"),
        Detection(1, "PatId2", "CHILD", "a", "é"),
        Detection(1, "PatId2", "CHILD", "b", "é"),
        Detection(2, "PatId2", "CHILD", "a", "Z"),
        Detection(2, "PatId2", "CHILD", "b", "Z"),
    ]


def test_state_has_totals_by_merchant_and_by_pair() -> None:
    rows = [buy("a", amount="0.1"), buy("a", amount="0.25", gender="M"), buy("b", amount="7"), buy("b", "M2")]
    assert state(feed(*rows)) == (
        {"M1": MerchantTotal(3, 1, 0), "M2": MerchantTotal(1, 1, 0)},
        {
            ("M1", "a"): PairTotal(2, Decimal("0.35"), True, True),
            ("M1", "b"): PairTotal(1, Decimal("7.00"), True, False),
            ("M2", "b"): PairTotal(1, Decimal("10.00"), True, False),
        },
    )
    assert state(feed(*rows), source_rows=1).merchants == {"M1": MerchantTotal(1, 1, 0)}
    assert state(feed()) == ({}, {})


@pytest.mark.parametrize("amount", ["0", "4.5", "'4.55'", " 7 ", "007", "1234567890123.45"])
def test_good_amounts(amount: str) -> None:
    assert state(feed(buy("a", amount=amount))).pairs["M1", "a"].amount == Decimal(amount.strip(" '"))


BAD_AMOUNTS = ["", "'", "x", "NaN", "inf", "-1", "+1", "1e3", "1.", ".5", "1.234", "1,5", "1 0", "12345678901234", "٣"]


@pytest.mark.parametrize("amount", BAD_AMOUNTS)
def test_bad_amount_rejects_the_row(amount: str) -> None:
    assert state(feed(buy("a", amount=amount), buy("b"))).pairs.keys() == {("M1", "b")}


@pytest.mark.parametrize(
    "bad", [buy("' '"), buy("a\0"), buy("é" * 129), buy("a", merchant=""), buy("a")[:-1], [*buy("a"), "0"], ["x"]]
)
def test_bad_row_reaches_no_total_but_counts_for_its_chunk(bad: Row) -> None:
    assert children([bad, bad, buy("b"), buy("b")], child_min_transactions=1, chunk_size=3) == [(1, "b")]
    assert children([bad, bad, bad, buy("b")], child_min_transactions=1, chunk_size=3) == [(2, "b")]


def test_file_is_read_with_bom_quotes_line_ends_and_blank_lines(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(
        b"\xef\xbb\xbf'customer','gender','merchant',amount,note\r\n"
        b"\r\n"
        b"'a',F,\"'M,1'\",1.5,\"two\nlines\"\r\n"
        b"\n\n"
        b"'a',F,'M1',2,\xff\n"  # not UTF-8: rejected
        b'"\'""a""\'",F,\'M1\',3,'  # a quote inside, no newline at the end
    )
    assert {key: total.amount for key, total in state(path).pairs.items()} == {
        ("M,1", "a"): Decimal("1.5"),
        ("M1", '"a"'): Decimal(3),
    }
    assert state(path, source_rows=2).pairs.keys() == {("M,1", "a")}


def test_longest_ids() -> None:
    assert state(feed(buy("é" * 128, "M" * 256))).pairs.keys() == {("M" * 256, "é" * 128)}


def test_missing_column_is_an_error() -> None:
    with pytest.raises(ValueError, match="merchant"):
        state([["customer", "gender", "amount"]])
    with pytest.raises(ValueError, match="Weight"):
        read_importance([["Source", "Target", "typeTrans"]])
    with pytest.raises(ValueError, match="weight_scope"):
        read_importance(importance(), "merchant")


@pytest.mark.parametrize("weight", ["", "x", "NaN", "Infinity", "-inf", "1_0", "1,5", "0x1", "٣"])
def test_unreadable_weight_is_ignored(weight: str) -> None:
    rows = [weigh("a", weight), weigh("a", "2"), weigh("b", weight), ["'b'", "'M1'"]]
    assert read_importance(importance(*rows)) == {("M1", "a"): 2}


def test_mean_weights_are_exact() -> None:
    rows = [weigh("a", "1"), weigh("a", "'1'"), weigh("a", "-1.5"), weigh("a", "2", kind="y"), weigh("b", "1e1")]
    assert read_importance(importance(*rows)) == {("M1", "a"): Fraction(5, 8), ("M1", "b"): 10}
    assert read_importance(importance(*rows), "customer") == {("", "a"): Fraction(13, 12), ("", "b"): 10}


def test_smallest_ranks() -> None:
    assert smallest_ranks([30, 10, 20, 10, 30]) == {10: 1, 20: 3, 30: 4}
