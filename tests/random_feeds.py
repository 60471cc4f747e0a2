"""Random feeds of a few hundred rows, dense enough that all three patterns occur, with rows that landing rejects."""

from __future__ import annotations

from random import Random

from feeds.source import COLUMNS

HEADER = (",".join(COLUMNS) + "\n").encode()
IMPORTANCE_HEADER = b"Source,Target,Weight,typeTrans,fraud\n"
KINDS = ("es_food", "es_health", "es_tech")

ODD: tuple[bytes, ...] = (
    b"1,'C1','4','F','28007','M1','28007','es_food',-3,0\n",
    b"1,'C1','4','F','28007','M1','28007','es_food',NaN,0\n",
    b"1,'C1','4','F','28007','M1','28007','es_food',1.234,0\n",
    b"1,'','4','F','28007','M1','28007','es_food',1.00,0\n",
    b"1,'C1','4','F','28007',' ','28007','es_food',1.00,0\n",
    b"1,'C1','4'\n",
    b"1,'C1','4','F','28007','M1','28007','es_food',1.00,0,0\n",
    b"1,'C\xff','4','F','28007','M1','28007','es_food',1.00,0\n",
    b"\n1,'C2','4','F','28007','M1','28007','es_food',,0\n",
)
"""Rows that are rejected, each for another reason."""


def transactions(random: Random, count: int, start: int = 0, odd_percent: int = 3) -> bytes:
    """Make rows without the header. A few customers have one of two genders each, and one of them sometimes the other."""
    rows = []
    for number in range(start, start + count):
        if random.randrange(100) < odd_percent:
            rows.append(random.choice(ODD))
            continue
        customer = min(random.randrange(16), random.randrange(16))
        gender = "FM"[customer % 3 > 0] if random.randrange(60) else random.choice("FMEUf")
        merchant = min(random.randrange(4), random.randrange(4))
        name = f'"C,{customer}"' if customer == 5 else f"'C{customer}'"
        ending = "\r\n" if random.randrange(40) == 0 else "\n"
        amount = f"{random.randrange(60)}{random.choice(['', '.5', '.25', '.99'])}"
        row = f"{number // 9},{name},'3','{gender}','28007','M{merchant}','28007','{random.choice(KINDS)}',{amount},0{ending}"
        rows.append(row.encode())
    return b"".join(rows)


def importance(random: Random, count: int) -> bytes:
    """Make an importance file that repeats its keys; some customers have no weight, some rows none that can be read."""
    rows = [IMPORTANCE_HEADER, b"'C0','M0',1.50,'es_food',0\n"]
    for _ in range(count):
        customer, merchant = random.randrange(14), random.randrange(4)
        weight = f"{random.randrange(1, 30)}.{random.choice(['0', '25', '5'])}" if random.randrange(25) else "none"
        name = '"C,5"' if customer == 5 else f"'C{customer}'"
        rows.append(f"{name},'M{merchant}',{weight},'{random.choice(KINDS)}',0\n".encode())
    return b"".join(rows)
