"""Generate a feed of BankSim's shape: a transactions file and the CustomerImportance file that goes with it.

    python -m local.generate --rows 594643 --seed 1 --customers 4112 --transactions out/t.csv --importance out/i.csv

Everything comes from the seed, nothing from BankSim's rows. With the default size and the default rules all three
patterns occur, about as often as in the original. Memory is bounded by the number of customers and merchants, not by
the rows. The same arguments give the same bytes; a shorter feed is not the beginning of a longer one.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

ROWS = 594_643
CUSTOMERS = 4_112
MERCHANTS = 50
STEPS = 180
PHASES = 6  # customers choose anew between the two large merchants this often
BLOCK_ROWS = 1 << 16  # generated at once
PROGRESS_ROWS = 1_000_000  # a feed of more rows says on stderr how far it is, this often
INTRODUCTION = 5  # one of this many rows introduces a customer until all have occurred

TRANSACTIONS_HEADER = "step,customer,age,gender,zipcodeOri,merchant,zipMerchant,category,amount,fraud\n"
IMPORTANCE_HEADER = "Source,Target,Weight,typeTrans,fraud\n"
ZIP = "'28007'"

TRANSPORT_SHARE = 0.85  # of all rows; the two large merchants are the only ones of es_transportation
AMOUNT_SPREAD = 0.84  # standard deviation of an amount over its category's centre, before it is folded at zero
FRAUD_FACTOR = 4  # a fraudulent amount is this many times an honest one
LEANS_MALE = 12  # every 12th small merchant does: most customers are women, so PatId3 would hardly occur without it
FEWER_WOMEN = 0.6  # how often a woman comes to such a merchant, relative to a man

# category: (centre of the amounts, share of fraudulent rows); the first is that of the two large merchants
CATEGORIES: dict[str, tuple[float, float]] = {
    "es_transportation": (24.5, 0.0),
    "es_food": (35.0, 0.0),
    "es_health": (95.0, 0.1),
    "es_wellnessandbeauty": (50.0, 0.05),
    "es_barsandrestaurants": (40.0, 0.02),
    "es_hyper": (40.0, 0.05),
    "es_fashion": (60.0, 0.02),
    "es_tech": (95.0, 0.07),
    "es_sportsandtoys": (90.0, 0.5),
    "es_home": (110.0, 0.15),
    "es_otherservices": (80.0, 0.25),
    "es_contents": (45.0, 0.0),
    "es_hotelservices": (100.0, 0.3),
    "es_travel": (700.0, 0.8),
    "es_leisure": (75.0, 0.95),
}
AGES = (("0", 0.005), ("1", 0.098), ("2", 0.315), ("3", 0.25), ("4", 0.185), ("5", 0.102), ("6", 0.045))
GENDERS = (("F", 0.549), ("M", 0.448), ("E", 0.002), ("U", 0.001))

Indexes = NDArray[np.intp]
Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Customers:
    """Who buys: by index."""

    ids: list[str]
    columns: list[str]  # customer, age, gender and zip code as a row has them
    woman: NDArray[np.bool_]
    activity: Numbers  # cumulative share of the rows
    at_first: NDArray[np.bool_]  # phase by phase: which of the two large merchants they go to


@dataclass(frozen=True)
class Merchants:
    """Where they buy: by index. The first two are the large ones."""

    ids: list[str]
    categories: list[str]
    columns: list[str]  # merchant, zip code and category as a row has them
    centre: Numbers  # of the amounts
    fraud: Numbers  # share of the rows
    share: Numbers  # cumulative, of the small merchants' rows
    share_of_women: Numbers  # the same for women


def generate(
    transactions: Path,
    importance: Path,
    *,
    rows: int = ROWS,
    seed: int = 1,
    customers: int = CUSTOMERS,
    merchants: int = MERCHANTS,
) -> None:
    """Write a feed's two files; folders are made, files are replaced once they are complete.

    Every customer and merchant occurs when the feed has enough rows: five for a customer, one for a merchant.

    Parameters
    ----------
    transactions, importance
        Where to write.
    rows
        Transactions, and rows of importance.
    seed
        The same seed, rows, customers and merchants give the same bytes.
    customers, merchants
        How many there are; at least 1 customer and 3 merchants.
    """
    parts = [path.with_name(path.name + ".part") for path in (transactions, importance)]
    for part in parts:
        part.parent.mkdir(parents=True, exist_ok=True)
    with parts[0].open("w", newline="") as transactions_part, parts[1].open("w", newline="") as importance_part:
        transactions_part.write(TRANSACTIONS_HEADER)
        importance_part.write(IMPORTANCE_HEADER)
        for transaction_rows, importance_rows in _blocks(rows, seed, customers, merchants):
            transactions_part.write(transaction_rows)
            importance_part.write(importance_rows)
    parts[0].replace(transactions)
    parts[1].replace(importance)


def _blocks(rows: int, seed: int, customers: int, merchants: int) -> Iterator[tuple[str, str]]:
    rng = np.random.default_rng(seed)
    who, where = _customers(rng, customers), _merchants(rng, merchants)
    for start in range(0, rows, BLOCK_ROWS):
        positions = np.arange(start, min(start + BLOCK_ROWS, rows))
        yield _block(rng, who, where, positions, rows)
        if rows > PROGRESS_ROWS and (positions[-1] + 1) // PROGRESS_ROWS > start // PROGRESS_ROWS:
            print(f"{positions[-1] + 1:,} of {rows:,} rows", file=sys.stderr, flush=True)


def _customers(rng: np.random.Generator, count: int) -> Customers:
    ids = _ids(rng, "C", count)
    ages = rng.choice([age for age, _ in AGES], count, p=_shares([share for _, share in AGES]))
    genders = rng.choice([gender for gender, _ in GENDERS], count, p=_shares([share for _, share in GENDERS]))
    ages[genders == "E"] = "U"  # an enterprise has no age
    # Most customers buy almost every day, a few come now and then.
    activity = 0.05 + rng.beta(2, 0.5, count)
    # Who buys a lot at a merchant for a time and then leaves it can be a frequent customer of little weight: PatId1.
    at_first = rng.random((PHASES, count)) < rng.beta(1.2, 0.8, count)
    columns = [f"'{i}','{age}','{gender}',{ZIP}" for i, age, gender in zip(ids, ages, genders, strict=True)]
    return Customers(ids, columns, genders == "F", np.cumsum(_shares(activity)), at_first)


def _merchants(rng: np.random.Generator, count: int) -> Merchants:
    ids = _ids(rng, "M", count)
    large, *small = CATEGORIES
    categories = [large, large, *(small[i % len(small)] for i in range(count - 2))]
    share = np.arange(1, count - 1, dtype=np.float64) ** -1.2
    relative = np.ones(count - 2)
    relative[LEANS_MALE - 1 :: LEANS_MALE] = FEWER_WOMEN
    return Merchants(
        ids,
        categories,
        [f"'{merchant}',{ZIP},'{category}'" for merchant, category in zip(ids, categories, strict=True)],
        np.array([CATEGORIES[category][0] for category in categories]),
        np.array([CATEGORIES[category][1] for category in categories]),
        np.cumsum(_shares(share)),
        np.cumsum(_shares(share * relative)),
    )


def _block(rng: np.random.Generator, who: Customers, where: Merchants, positions: Indexes, rows: int) -> tuple[str, str]:
    customer = _pick(rng, who.activity, len(positions))
    _introduce(customer, positions, len(who.ids), INTRODUCTION, rows)
    merchant = _choose_merchants(rng, who, where, customer, positions * PHASES // rows)
    _introduce(merchant, positions, len(where.ids), rows // len(where.ids), rows)
    fraud = rng.random(len(positions)) < where.fraud[merchant]
    centre = where.centre[merchant] * np.where(fraud, FRAUD_FACTOR, 1)
    amount = np.floor(np.abs(rng.normal(centre, AMOUNT_SPREAD * centre)) * 100) / 100
    step = positions * STEPS // rows

    # As lists, and each amount as text once: the two lines of a row are all that is done row by row.
    customers, merchants, frauds = customer.tolist(), merchant.tolist(), fraud.astype(int).tolist()
    amounts = list(map(repr, amount.tolist()))
    transaction_lines = [
        f"{s},{who.columns[c]},{where.columns[m]},{a},{f}\n"
        for s, c, m, a, f in zip(step.tolist(), customers, merchants, amounts, frauds, strict=True)
    ]
    importance_lines = [
        f"'{who.ids[c]}','{where.ids[m]}',{a},'{where.categories[m]}',{f}\n"
        for c, m, a, f in zip(customers, merchants, amounts, frauds, strict=True)
    ]
    return "".join(transaction_lines), "".join(importance_lines)


def _choose_merchants(rng: np.random.Generator, who: Customers, where: Merchants, customer: Indexes, phase: Indexes) -> Indexes:
    count = len(customer)
    large = np.where(who.at_first[phase, customer], 0, 1)
    draw = rng.random(count)
    small = 2 + np.where(who.woman[customer], _at(where.share_of_women, draw), _at(where.share, draw))
    return np.where(rng.random(count) < TRANSPORT_SHARE, large, small)


def _introduce(chosen: Indexes, positions: Indexes, count: int, stride: int, rows: int) -> None:
    """Let each of ``count`` occur once, one every ``stride`` rows, when the feed is long enough for that."""
    if stride * count <= rows and stride > 0:
        new = (positions % stride == 0) & (positions < stride * count)
        chosen[new] = positions[new] // stride


def _ids(rng: np.random.Generator, letter: str, count: int) -> list[str]:
    return [f"{letter}{number}" for number in rng.choice(1 << 31, count, replace=False).tolist()]


def _shares(weights: Sequence[float] | Numbers) -> Numbers:
    values = np.asarray(weights, dtype=np.float64)
    return values / values.sum()


def _pick(rng: np.random.Generator, cumulative: Numbers, count: int) -> Indexes:
    return _at(cumulative, rng.random(count))


def _at(cumulative: Numbers, draw: Numbers) -> Indexes:
    # The last sum may round to a little less than 1.
    return np.minimum(np.searchsorted(cumulative, draw, side="right"), len(cumulative) - 1)


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line and write the two files."""
    parser = argparse.ArgumentParser(
        prog="python -m local.generate",
        description="Generate a feed of BankSim's shape: transactions and CustomerImportance.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--rows", type=int, default=ROWS, help="transactions; memory does not grow with them")
    parser.add_argument("--seed", type=int, default=1, help="the same seed and sizes give the same bytes")
    parser.add_argument("--customers", type=int, default=CUSTOMERS, help="all occur from five rows for each on")
    parser.add_argument("--merchants", type=int, default=MERCHANTS, help="at least 3; two get 85 %% of the rows")
    parser.add_argument("--transactions", type=Path, required=True, help="file to write the transactions to")
    parser.add_argument("--importance", type=Path, required=True, help="file to write CustomerImportance to")
    options = parser.parse_args(arguments)
    limits = {"rows": (0, None), "seed": (0, None), "customers": (1, 10_000_000), "merchants": (3, 1_000_000)}
    for name, (minimum, maximum) in limits.items():
        value = getattr(options, name)
        if value < minimum or (maximum is not None and value > maximum):
            limit = f"at least {minimum}" + (f" and at most {maximum}" if maximum else "")
            parser.error(f"--{name} is {value}; it is {limit}")
    generate(**vars(options))


if __name__ == "__main__":
    main()
