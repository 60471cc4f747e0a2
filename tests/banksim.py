"""The real BankSim file, where this machine has it: its licence keeps it out of the repository."""

from __future__ import annotations

import hashlib
import lzma
import shutil
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "shared" / "data" / "banksim"
NOT_HERE = "the BankSim file is not in ../shared/data/banksim beside this checkout"

TRANSACTIONS_SHA256 = "ae8a3ec9d0f5bc3bcb5f579b6c32b04c43c53e3ceb5541156a7756c6a1187daa"
IMPORTANCE_SHA256 = "1ae202247762e59c32a0f3dec0101c2074e05eabbca1359103247fba9db409de"


def banksim(folder: Path) -> tuple[Path, Path] | None:
    """Unpack the transactions into a folder, and make CustomerImportance from them.

    Returns
    -------
    tuple of Path or None
        The two files; ``None`` when BankSim is not there (skip with ``NOT_HERE``).

    Raises
    ------
    ValueError
        A file is not the one that BankSim's README describes.
    """
    packed = FOLDER / "transactions.csv.xz"
    if not packed.is_file():
        return None
    transactions, importance = folder / "transactions.csv", folder / "CustomerImportance.csv"
    with lzma.open(packed) as source, transactions.open("wb") as target:
        shutil.copyfileobj(source, target)
    with transactions.open(encoding="utf-8") as rows, importance.open("w", encoding="utf-8", newline="") as target:
        next(rows)
        target.write("Source,Target,Weight,typeTrans,fraud\n")
        for row in rows:
            _, customer, _, _, _, merchant, _, category, amount, fraud = row.split(",")
            target.write(f"{customer},{merchant},{amount},{category},{fraud}")  # fraud ends with the newline
    for path, expected in ((transactions, TRANSACTIONS_SHA256), (importance, IMPORTANCE_SHA256)):
        with path.open("rb") as written:
            found = hashlib.file_digest(written, "sha256").hexdigest()
        if found != expected:
            raise ValueError(f"{path.name} made from {packed} has SHA-256 {found}, not {expected}")
    return transactions, importance
