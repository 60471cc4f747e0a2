"""What a job reads of the state: as much as the batch calls for, however many customers the feed has seen.

Those without a transaction in the batch are read when a limit moves: when fewer transactions are enough than before, of a
merchant's customers a hundredth, see ADR 0011.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import psycopg
import pytest

from tests import reference

Connection = psycopg.Connection[Any]
STAGING = "s1"
OVER = 50_000


def seen(connection: Connection, customers: int, *, merchant_transactions: int = 10 * OVER) -> int:
    """Put a merchant with so many customers into the ledger: customer n has weight n and 10 to 59 transactions; give the feed."""
    row = connection.execute(
        "insert into ledger.feed (feed, transactions_file_id, importance_file_id, chunk_size, interval_seconds, upgrade_percent, "
        "upgrade_min_transactions, weight_scope, child_min_transactions, child_max_average, dei_min_female, detections_per_file, "
        "linger_seconds, max_reject_percent, source_revision, source_size, source_md5, header, columns, data_start, data_line, "
        "weights_ready) values ('f', 't', 'i', 10000, 1, 10, %s, 'customer_merchant', 80, 23, 100, 50, 60, 1, 'r', 1, 'm', '', "
        "'{a}', 0, 1, true) returning feed_id",
        [OVER],
    ).fetchone()
    assert row is not None
    feed_id = int(row[0])
    connection.execute(
        "insert into ledger.merchant_total values (%s, 'M1', %s, %s, 0)", [feed_id, merchant_transactions, customers]
    )
    connection.execute(
        "insert into ledger.weight select %s, 'M1', 'C' || n, n from generate_series(1, %s) n", [feed_id, customers + 100]
    )
    connection.execute(
        "insert into ledger.pair_total select %s, 'M1', 'C' || n, 10 + n %% 50, 99, true, false from generate_series(1, %s) n",
        [feed_id, customers],
    )
    connection.execute("select ledger.rank_feed(%s)", [feed_id])
    return feed_id


def staged(connection: Connection, feed_id: int, pairs: Iterable[tuple[int, int | None, int | None]]) -> int:
    """Stage a transaction of each customer n, first seen as F and as M at chunks 7 or 8, or not at all; give the batch."""
    row = connection.execute(
        "insert into ledger.batch (feed_id, first_chunk, last_chunk) values (%s, 7, 8) returning batch_id", [feed_id]
    ).fetchone()
    assert row is not None
    with connection.cursor() as cursor:
        cursor.executemany(
            "insert into ledger.staged_pair values (%s, %s, 'M1', %s, 1, 99, %s, %s, %s, %s, %s)",
            [
                (row[0], STAGING, f"C{n}", bool(female), bool(male), min(filter(None, (female, male)), default=7), female, male)
                for n, female, male in pairs
            ],
        )
    return int(row[0])


def rows_read(connection: Connection, feed_id: int, customers: range) -> dict[str, int]:
    """Stage a transaction of each customer, a woman, and count the rows of each kind that the job reads for the batch."""
    batch_id = staged(connection, feed_id, [(n, 7, None) for n in customers])
    kinds = connection.execute("select kind, count(*) from ledger.batch_state where batch_id = %s group by kind", [batch_id])
    return {"pair": 0, "weight": 0, "total": 0, "idle": 0} | dict(kinds.fetchall())


@pytest.mark.parametrize("customers", [1_000, 20_000])
def test_known_customers(connection: Connection, customers: int) -> None:
    feed_id = seen(connection, customers)
    assert rows_read(connection, feed_id, range(141, 151)) == {
        "merchant": 1,
        "pair": 6,  # 144 to 149: with one more they have the 55 transactions that it takes to be in the top tenth
        "weight": 1,  # of the one place where the limit is, and stays
        "total": 5,  # 55 to 59
        "idle": 0,
    }


@pytest.mark.parametrize("customers", [1_000, 20_000])
def test_new_customers_let_the_limits_move(connection: Connection, customers: int) -> None:
    feed_id = seen(connection, customers)
    counts = rows_read(connection, feed_id, range(customers - 4, customers + 6))
    assert counts["pair"] == 4  # of the ten, those that come to 55
    assert counts["weight"] <= 5 + 5 + 2  # five new ones; the limit's place, and what five can push it by
    # In the lowest tenth by weight, a tenth of whom have 55 transactions or more.
    assert customers * 0.1 * 0.09 <= counts["idle"] <= customers * 0.1 * 0.13


@pytest.mark.parametrize("customers", [1_010, 20_010])
def test_as_long_as_the_limit_by_transactions_stays_only_its_neighbours_by_weight_are_read(
    connection: Connection, customers: int
) -> None:
    feed_id = seen(connection, customers)
    behind = customers // 10 + 1  # by weight: the first that did not qualify before
    exchange = "update ledger.pair_total set transactions = %s where customer = %s"
    connection.execute(exchange, [54, f"C{behind}"])  # as many as it takes
    connection.execute(exchange, [12, f"C{behind + 42}"])
    assert rows_read(connection, feed_id, range(customers + 1, customers + 11))["idle"] == 1


def holding(customers: list[tuple[int, int, int]], percent: int) -> set[int]:
    """Those of customers (n, transactions, weight) for whom PatId1 holds."""
    merchant = reference.Merchant(transactions={str(n): count for n, count, _ in customers}, total_transactions=10 * OVER)
    weights = reference.Weights.of({("M1", str(n)): Fraction(weight) for n, _, weight in customers})
    rules = {"upgrade_percent": percent, "upgrade_min_transactions": OVER, "weight_scope": "customer_merchant"}
    return {int(customer) for (_, _, customer), _ in reference.upgrades({"M1": merchant}, weights, rules)}


@pytest.mark.parametrize("seed", range(40))
def test_nobody_for_whom_the_rule_comes_to_hold_is_left_out(connection: Connection, seed: int) -> None:
    """Customers without a transaction in the batch, among few numbers and weights, so that limits move and tie all the time."""
    chance = random.Random(seed)
    percent = chance.choice([10, 25, 50])
    known = [(n, chance.randint(1, 5), chance.randint(0, 9)) for n in range(1, chance.randint(2, 40))]
    new = [(n, chance.choice([7, 8]), chance.randint(0, 9)) for n in range(51, 51 + chance.randint(0, 12))]
    touched = {n for n, _, _ in known if chance.random() < 0.2}
    feed_id = seen(connection, 0, merchant_transactions=10 * OVER)
    connection.execute("update ledger.feed set upgrade_percent = %s", [percent])
    connection.execute("delete from ledger.weight")
    with connection.cursor() as cursor:
        weights = [(feed_id, f"C{n}", weight) for n, _, weight in (*known, *new)]
        cursor.executemany("insert into ledger.weight values (%s, 'M1', %s, %s)", weights)
        totals = [(feed_id, f"C{n}", count) for n, count, _ in known]
        cursor.executemany("insert into ledger.pair_total values (%s, 'M1', %s, %s, 99, true, false)", totals)
    connection.execute("select ledger.rank_feed(%s)", [feed_id])
    batch_id = staged(connection, feed_id, [(n, 7, None) for n in touched] + [(n, chunk, None) for n, chunk, _ in new])
    idle = connection.execute("select customer from ledger.batch_state where batch_id = %s and kind = 'idle'", [batch_id])
    read = {int(customer[1:]) for (customer,) in idle}

    come_to_hold = set()
    for boundary in (7, 8):
        there = [(n, count + (n in touched), weight) for n, count, weight in known]
        there += [(n, 1, weight) for n, chunk, weight in new if chunk <= boundary]
        come_to_hold |= holding(there, percent)
    assert (come_to_hold & {n for n, _, _ in known}) - touched - holding(known, percent) <= read


def test_detected_customers_are_not_read_again(connection: Connection) -> None:
    feed_id = seen(connection, 1_000)
    connection.execute(
        "insert into ledger.batch (feed_id, first_chunk, last_chunk, applied_at) values (%s, 1, 1, now())", [feed_id]
    )
    connection.execute(
        "insert into ledger.detection select %s, 'PatId1', 'M1', 'C' || n, 'UPGRADE', 1, n, batch_id, now() "
        "from ledger.batch, generate_series(1, 1000) n",
        [feed_id],
    )
    assert rows_read(connection, feed_id, range(1_001, 1_006))["idle"] == 0


def test_a_merchant_below_the_threshold_is_not_ranked(connection: Connection) -> None:
    feed_id = seen(connection, 1_000, merchant_transactions=OVER - 10)
    counts = rows_read(connection, feed_id, range(141, 151))
    assert counts == {"merchant": 1, "pair": 0, "weight": 0, "total": 0, "idle": 0}


def test_a_merchant_without_customers_that_is_not_ranked_has_no_last_place(connection: Connection) -> None:
    """Of nobody all qualify when upgrade_percent is 100: the last place is then before the first."""
    feed_id = seen(connection, 0, merchant_transactions=OVER - 10)
    connection.execute("update ledger.feed set upgrade_percent = 100")
    assert rows_read(connection, feed_id, range(1_000, 1_010)) == {"merchant": 1, "pair": 0, "weight": 0, "total": 0, "idle": 0}


def test_a_merchant_that_comes_over_the_threshold_is_ranked_as_a_whole(connection: Connection) -> None:
    feed_id = seen(connection, 1_000, merchant_transactions=OVER - 9)
    counts = rows_read(connection, feed_id, range(141, 151))
    assert counts["pair"] == 6
    assert counts["idle"] == sum(n % 50 >= 45 for n in range(1, 101))


@pytest.mark.parametrize(
    ("transactions", "amount", "read"),
    [
        (78, 99, 0),  # with one more it has 79
        (79, 99, 1),
        (79, Decimal("1839.99"), 1),  # 80 transactions of 23 are 1840
        (79, 1840, 0),
    ],
)
def test_pairs_for_child(connection: Connection, transactions: int, amount: Decimal, read: int) -> None:
    feed_id = seen(connection, 1_000, merchant_transactions=OVER - 100)
    connection.execute(
        "update ledger.pair_total set transactions = %s, amount = %s where customer = 'C7'", [transactions, amount]
    )
    assert rows_read(connection, feed_id, range(1, 11))["pair"] == read


@pytest.mark.parametrize(
    ("women", "men", "read"),
    [
        (90, 90, 0),  # ten women more are a hundred
        (91, 91, 0),  # a hundred and one, but no man comes
        (91, 92, 10),
        (5_000, 4_000, 0),
    ],
)
def test_pairs_for_dei_needed(connection: Connection, women: int, men: int, read: int) -> None:
    """Ten new women, and ten that the merchant knows: these change nothing."""
    feed_id = seen(connection, 100, merchant_transactions=OVER - 100)
    connection.execute("update ledger.merchant_total set female = %s, male = %s", [women, men])
    assert rows_read(connection, feed_id, range(91, 111))["pair"] == read


def test_pairs_come_with_what_decides(connection: Connection) -> None:
    """Totals for PatId2; for PatId3 the chunks from which on they are seen as a gender. All that the merchant knows are women."""
    feed_id = seen(connection, 100, merchant_transactions=OVER - 100)
    connection.execute("update ledger.merchant_total set female = 101, male = 101")
    connection.execute("update ledger.pair_total set transactions = 79 where customer in ('C3', 'C4')")
    shown = [(1, None, 7), (2, 7, 8), (3, 7, None), (4, None, 8), (5, 7, None), (201, 7, None), (202, None, 8), (203, 8, 7)]
    batch_id = staged(connection, feed_id, [*shown, (204, None, None)])
    query = (
        "select customer, transactions, amount, as_female, as_male from ledger.batch_state where batch_id = %s and kind = 'pair'"
    )
    assert {customer: tuple(found) for customer, *found in connection.execute(query, [batch_id])} == {
        "C1": (None, None, 0, 7),
        "C2": (None, None, 0, 8),
        "C3": (79, 99, None, None),  # as a woman again, like C5
        "C4": (79, 99, 0, 8),
        "C201": (None, None, 7, None),
        "C202": (None, None, None, 8),
        "C203": (None, None, 8, 7),
    }


def rows_touched(plan: dict[str, Any]) -> int:
    """Add up the rows that the nodes of an executed plan have given or thrown away, over all their executions."""
    thrown = sum(int(value) for name, value in plan.items() if name.startswith("Rows Removed"))
    own = (int(plan["Actual Rows"]) + thrown) * int(plan["Actual Loops"])
    return own + sum(map(rows_touched, plan.get("Plans", [])))


def test_the_view_scans_a_few_rows_for_each_pair(connection: Connection) -> None:
    """Also right after staging, when PostgreSQL has no statistics and takes every table for one row."""
    pairs, new = 600, 60
    feed_id = seen(connection, 2 * pairs)
    rows_read(connection, feed_id, range(pairs + new, 2 * pairs + new))
    row = connection.execute("explain (analyze, format json) select * from ledger.batch_state where batch_id = 1").fetchone()
    assert row is not None
    assert rows_touched(row[0][0]["Plan"]) < 20 * pairs
