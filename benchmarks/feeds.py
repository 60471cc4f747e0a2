"""The files that are measured: the real BankSim where this machine has it, or generated ones of its shape; kept under out/."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from local.config import CHECKOUT
from local.generate import CUSTOMERS, MERCHANTS, ROWS, generate
from tests.banksim import NOT_HERE, banksim

_FOLDER = CHECKOUT / "out" / "bench-feeds"
CHUNK_ROWS = 10_000


@dataclass(frozen=True)
class Files:
    """A feed's two files.

    Attributes
    ----------
    label
        What the report calls them.
    name
        A short name, fit to be part of a feed's.
    transactions, importance
        The files.
    rows
        Transactions in them.
    """

    label: str
    name: str
    transactions: Path
    importance: Path
    rows: int

    @property
    def chunks(self) -> int:
        """Chunks of 10,000 rows; the last one may be shorter."""
        return -(-self.rows // CHUNK_ROWS)


def usual_files() -> Files:
    """Give the real file; a generated one of the same shape where BankSim is not."""
    folder = _FOLDER / "banksim"
    paths = (folder / "transactions.csv", folder / "CustomerImportance.csv")
    if not all(path.exists() for path in paths):
        folder.mkdir(parents=True, exist_ok=True)
        found = banksim(folder)
        if found is None:
            print(f"{NOT_HERE}; a generated feed of its shape is measured instead", flush=True)
            return scaled_files(1)
    return Files("BankSim", "banksim", *paths, ROWS)


def scaled_files(scale: int) -> Files:
    """Give a generated feed ``scale`` times as long as BankSim, with as many times its customers and merchants (seed 1)."""
    folder = _FOLDER / f"scale-{scale}"
    files = Files(
        f"generated, {scale} x BankSim" if scale > 1 else "generated, of BankSim's shape",
        f"scale-{scale}", folder / "transactions.csv", folder / "CustomerImportance.csv", ROWS * scale,
    )  # fmt: skip
    if not (files.transactions.exists() and files.importance.exists()):
        print(f"generating {files.rows:,} transactions", flush=True)
        sizes = {"rows": files.rows, "customers": _customers(scale), "merchants": MERCHANTS * scale}
        generate(files.transactions, files.importance, seed=1, **sizes)
    return files


def _customers(scale: int) -> int:
    return CUSTOMERS if scale == 1 else 4_000 * scale
