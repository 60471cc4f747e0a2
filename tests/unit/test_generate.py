"""The generator: the same bytes for the same seed, BankSim's shape, and all three patterns."""

from __future__ import annotations

import csv
import hashlib
from collections import Counter
from pathlib import Path

import pytest

from local.generate import generate, main
from tests.reference import detect


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as lines:
        return list(csv.DictReader(lines))


def small_feed(folder: Path, seed: int = 1, rows: int = 3000, customers: int = 100) -> tuple[Path, Path]:
    folder.mkdir(parents=True, exist_ok=True)
    transactions, importance = folder / "t.csv", folder / "i.csv"
    generate(transactions, importance, rows=rows, seed=seed, customers=customers)
    return transactions, importance


@pytest.fixture(scope="module")
def default_feed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("feed")
    transactions, importance = folder / "t.csv", folder / "i.csv"
    main(["--transactions", str(transactions), "--importance", str(importance)])
    return transactions, importance


def test_default_feed_has_the_shape_of_banksim(default_feed: tuple[Path, Path]) -> None:
    rows = rows_of(default_feed[0])
    columns = {name: Counter(row[name] for row in rows) for name in rows[0]}
    header = [
        "step",
        "customer",
        "age",
        "gender",
        "zipcodeOri",
        "merchant",
        "zipMerchant",
        "category",
        "amount",
        "fraud",
    ]
    assert list(columns) == header
    assert len(rows) == 594_643
    assert len(columns["customer"]) == 4_112
    assert len(columns["merchant"]) == 50
    assert len(columns["category"]) == 15
    assert columns["age"].keys() == {f"'{age}'" for age in "0123456U"}
    assert columns["gender"].keys() == {"'F'", "'M'", "'E'", "'U'"}
    assert columns["zipcodeOri"].keys() == columns["zipMerchant"].keys() == {"'28007'"}
    assert columns["fraud"].keys() == {"0", "1"}

    steps = [int(row["step"]) for row in rows]
    assert steps == sorted(steps)
    assert set(steps) == set(range(180))
    assert max(columns["step"].values()) - min(columns["step"].values()) <= 1

    first, second, third = (count / len(rows) for _, count in columns["merchant"].most_common(3))
    assert 0.45 < first < 0.55
    assert 0.30 < second < 0.40
    assert third < 50_000 / len(rows)


def test_default_feed_keeps_what_belongs_together(default_feed: tuple[Path, Path]) -> None:
    rows = rows_of(default_feed[0])
    assert len({(row["customer"], row["age"], row["gender"]) for row in rows}) == 4_112
    assert len({(row["merchant"], row["category"]) for row in rows}) == 50
    large = {merchant for merchant, _ in Counter(row["merchant"] for row in rows).most_common(2)}
    assert {row["merchant"] for row in rows if row["category"] == "'es_transportation'"} == large


def test_importance_repeats_the_transactions_in_order(default_feed: tuple[Path, Path]) -> None:
    with default_feed[0].open() as transactions, default_feed[1].open() as importance:
        next(transactions)
        assert next(importance) == "Source,Target,Weight,typeTrans,fraud\n"
        for transaction, weight in zip(transactions, importance, strict=True):
            _, customer, _, _, _, merchant, _, category, amount, fraud = transaction.split(",")
            assert weight == f"{customer},{merchant},{amount},{category},{fraud}"


def test_all_patterns_occur_with_the_default_rules(default_feed: tuple[Path, Path]) -> None:
    found = Counter(detection.pattern_id for detection in detect(*default_feed))
    # BankSim itself gives 83, 86 and 4.
    assert found["PatId1"] >= 36
    assert found["PatId2"] >= 36
    assert found["PatId3"] >= 3


def test_same_seed_gives_same_bytes(tmp_path: Path) -> None:
    one, two, other = (small_feed(tmp_path / name, seed) for name, seed in (("one", 7), ("two", 7), ("other", 8)))
    assert list(map(digest, one)) == list(map(digest, two))
    assert not set(map(digest, one)) & set(map(digest, other))


def test_blocks_do_not_show_in_long_feeds(tmp_path: Path) -> None:
    # More than two blocks: every row is there, steps go on, and two runs agree.
    one, two = (small_feed(tmp_path / name, rows=150_001)[0] for name in ("one", "two"))
    steps = [int(row["step"]) for row in rows_of(one)]
    assert len(steps) == 150_001
    assert steps == sorted(steps)
    assert digest(one) == digest(two)


@pytest.mark.parametrize(("rows", "customers", "merchants"), [(0, 1, 3), (1, 1, 3), (7, 4112, 50), (500, 100, 300)])
def test_any_size(tmp_path: Path, rows: int, customers: int, merchants: int) -> None:
    transactions, importance = tmp_path / "t.csv", tmp_path / "i.csv"
    generate(transactions, importance, rows=rows, customers=customers, merchants=merchants)
    written = rows_of(transactions)
    assert len(written) == len(rows_of(importance)) == rows
    assert len({row["customer"] for row in written}) <= customers
    merchants_seen = len({row["merchant"] for row in written})
    assert merchants_seen == merchants if rows >= merchants else merchants_seen <= rows


def test_small_feed_has_all_patterns_under_lowered_rules(tmp_path: Path) -> None:
    rules = {
        "chunk_size": 500,
        "upgrade_percent": 30,
        "upgrade_min_transactions": 500,
        "child_min_transactions": 10,
        "dei_min_female": 2,
    }
    found = Counter(detection.pattern_id for detection in detect(*small_feed(tmp_path), rules))
    assert found.keys() == {"PatId1", "PatId2", "PatId3"}


def test_wrong_sizes_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--transactions", str(tmp_path / "t"), "--importance", str(tmp_path / "i"), "--merchants", "2"])
    assert "--merchants is 2; it is at least 3" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
