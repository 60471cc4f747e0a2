"""What Spark makes of the bytes of chunks and of CustomerImportance, compared with what they mean."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from detectors.batch import NEVER, running_totals
from detectors.importance import read_importance, weights
from detectors.transactions import read_chunks, rows_by_chunk, totals
from local.config import Addresses
from tests import reference_rows
from tests.reference import twelve_places


@pytest.fixture(scope="module")
def spark(spark_services: Addresses) -> SparkSession:
    return SparkSession.builder.remote(spark_services.spark_remote).getOrCreate()


COLUMNS = ["merchant", "note", "Customer", "customer", "gender", "amount"]


def rows_of(spark: SparkSession, folder: Path, content: bytes, columns: list[str] = COLUMNS) -> list[tuple[object, ...]]:
    (folder / "chunk-000007.csv").write_bytes(content)
    read = read_chunks(spark, [f"{folder.as_uri()}/chunk-000007.csv"], columns)
    return sorted(map(tuple, read.select("customer", "merchant", "gender", "cents", "chunk").collect()))


@pytest.mark.parametrize("end", [b"\n", b"\r\n"], ids=["LF", "CRLF"])
def test_quoting_line_ends_and_blank_lines(spark: SparkSession, tmp_path: Path, end: bytes) -> None:
    lines = [
        b"merchant,note,Customer,customer,gender,amount",
        b"'M1','x',no,'C1','F',12.50",
        b"",
        b'" \'M,1\' ","two\nlines, and ""quotes""",no,"C\r\n2",m,"0.1"',
        b"'M1',a\\,no,\" 'C''3' \",U,9999999999999.99",
        b'M"4,# no comment,no, C 4 ,,7',
    ]
    # The header's line end differs from the rows' end: each is read for what it is.
    content = lines[0] + b"\n" + end.join(lines[1:])
    assert rows_of(spark, tmp_path, content) == sorted(
        [
            ("C1", "M1", "F", 1250, 7),
            ("C\r\n2", "M,1", "M", 10, 7),
            ("C''3", "M1", "U", 999_999_999_999_999, 7),
            ("C 4", 'M"4', None, 700, 7),
        ]
    )
    assert len(rows_of(spark, tmp_path, content + end + end)) == 4


def test_columns_are_found_wherever_they_are(spark: SparkSession, tmp_path: Path) -> None:
    columns = ["amount", "gender", "merchant", "customer"]
    content = b"amount,gender,merchant,customer\r\n1,f,M1,'C1'\r\n\r\n2.5,M,M1,\xc3\xa9\xf0\x9f\x98\x80\r\n"
    assert rows_of(spark, tmp_path, content, columns) == [
        ("C1", "M1", "F", 100, 7),
        ("é😀", "M1", "M", 250, 7),
    ]


TRANSACTIONS = "chunk int, customer string, merchant string, gender string, cents long"


def test_totals_add_up_over_the_chunks(spark: SparkSession) -> None:
    rows = [
        (4, "C1", "M1", "U", 999_999_999_999_999),
        (4, "C1", "M1", "F", 0),
        (3, "C1", "M1", None, 1),
        (3, "C2", "M1", "M", 0),
        (5, "C2", "M1", "F", 7),
        (4, "C2", "M1", "M", 3),
        (3, "C3", "M1", "M", 1),
        (3, "C3", "M1", "F", 1),
    ]
    transactions = spark.createDataFrame(rows, TRANSACTIONS)
    columns = ("customer", "transactions", "amount", "seen_female", "seen_male", "first_chunk", "first_female", "first_male")
    assert sorted(map(tuple, totals(transactions).select(*columns).collect())) == [
        ("C1", 3, Decimal("10000000000000.00"), True, False, 3, 4, None),
        ("C2", 3, Decimal("0.10"), True, True, 3, 5, 3),
        ("C3", 2, Decimal("0.02"), True, True, 3, 3, 3),
    ]
    assert rows_by_chunk(transactions) == {3: 4, 4: 3, 5: 1}


def test_running_totals_are_those_at_the_boundaries(spark: SparkSession) -> None:
    rows = [
        (9, "C1", "M1", "F", 40),
        (7, "C1", "M1", "F", 1),
        (9, "C1", "M1", "U", 30),
        (9, "C2", "M1", "M", 5),
        (9, "C3", "M1", "F", 1),
    ]
    pairs = [("M1", "C1", 6, Decimal("0.90"), Decimal(2)), ("M1", "C2", 0, Decimal(0), None), ("M1", "C3", None, None, None)]
    running = running_totals(
        spark.createDataFrame(rows, TRANSACTIONS),
        spark.createDataFrame(
            pairs, "merchant string, customer string, transactions long, amount decimal(24,2), weight decimal(38,12)"
        ),
    )
    columns = ("customer", "chunk", "until", "added", "transactions", "cents", "weight", "is_first")
    assert sorted(map(tuple, running.select(*columns).collect())) == [
        ("C1", 7, 9, 1, 7, 91, Decimal(2), True),
        ("C1", 9, NEVER, 2, 9, 161, Decimal(2), False),
        ("C2", 9, NEVER, 1, 1, 5, None, True),
    ]


def weights_of(spark: SparkSession, file: Path, scope: str) -> dict[tuple[str, str], Decimal]:
    found = weights(read_importance(spark, [file.as_uri()]), scope)
    assert found.schema["weight"].dataType.simpleString() == "decimal(38,12)"
    return {(row.merchant, row.customer): row.weight for row in found.collect()}


@pytest.mark.parametrize("scope", ["customer_merchant", "customer"])
def test_equal_means_tie(spark: SparkSession, tmp_path: Path, scope: str) -> None:
    groups = {
        "third": [("1", "a"), ("0", "a"), ("0", "a")],
        "two sixths": [*[("1", "a")] * 2, *[("0", "a")] * 4],
        "seven of 21": [*[("1", "a")] * 7, *[("0", "a")] * 14],
        "third of two types": [("1", "a"), ("0", "a"), ("0", "a"), ("0.5", "b"), ("0.5", "b"), ("0", "b")],
        "two thirds": [("2", "a"), ("0", "a"), ("0", "a")],
        "huge": [("999999999999.99", "a")] * 3,
        "tiny": [("0.000000000001", "a"), ("1e-12", "b")],
        "negative": [("-1", "a"), ("0", "a"), ("0", "b")],
        "float": [("0.30000000000000004", "a")],
    }
    lines = [f"{name},'M1',{weight},'{kind}',0" for name, rows in groups.items() for weight, kind in rows]
    file = tmp_path / "importance.csv"
    file.write_text("Source,Target,Weight,typeTrans,fraud\n" + "\n".join(lines))
    found = weights_of(spark, file, scope)
    exact = reference_rows.read_importance(file, scope)
    assert found == {key: twelve_places(weight) for key, weight in exact.items()}
    merchant = "" if scope == "customer" else "M1"
    assert found[merchant, "third"] == found[merchant, "two sixths"] == found[merchant, "seven of 21"]
    assert found[merchant, "third"] == found[merchant, "third of two types"] < found[merchant, "two thirds"]


def test_mean_of_means_ties_with_the_whole_number(spark: SparkSession, tmp_path: Path) -> None:
    file = tmp_path / "importance.csv"
    # 1/3 and 2/3: neither has an end in decimals.
    thirds = "".join(f"thirds,M,{weight},{kind},0\n" for kind, weights in (("a", "100"), ("b", "110")) for weight in weights)
    file.write_text(f"Source,Target,Weight,typeTrans,fraud\n{thirds}half,M,0.5,a,0\n")
    found = weights_of(spark, file, "customer")
    assert found["", "thirds"] == found["", "half"] == Decimal("0.5")


def test_importance_is_read_by_name_and_bad_weights_are_left_out(spark: SparkSession, tmp_path: Path) -> None:
    file = tmp_path / "importance.csv"
    file.write_bytes(
        b"\xef\xbb\xbfWeight,'Target',\"typeTrans\",Source\r\n"
        b"1.5,'M1','t',' C1 '\r\n\r\n"
        b"+2,M1,t,C2\r\n"
        b"1.50,M1,t,'C1'\r\n"
        b"NaN,M1,t,C1\r\nInfinity,M1,t,C1\r\n1e99,M1,t,C1\r\n,M1,t,C1\r\n0x1,M1,t,C1\r\n12 000,M1,t,C1\r\n"
        b"7\r\n"
        b'3,"M,2",t,C3\n'
        b'4,"M3,t,C4\n'  # a quote that is not closed costs its own row
        b"5,M4,t,C5\n"
    )
    read = read_importance(spark, [file.as_uri()])
    assert sorted(read.where("weight is null").select("customer").collect()) == [("C1",)] * 6
    assert weights_of(spark, file, "customer_merchant") == {
        ("M1", "C1"): Decimal("1.5"),
        ("M1", "C2"): Decimal(2),
        ("M,2", "C3"): Decimal(3),
        ("M3,t,C4", ""): Decimal(4),
        ("M4", "C5"): Decimal(5),
        ("", ""): Decimal(7),
    }
