"""The feed of one round: small, with all three patterns, rejected rows and several detection files."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from feeds.ledger import Row
from local.chaos.scene import Scene, now
from local.drive_standin.tree import DriveTree
from local.generate import generate
from local.progress import is_done

SETTINGS: dict[str, Any] = {
    "chunk_size": 250,
    "interval_seconds": 4,
    "upgrade_min_transactions": 400,
    "child_min_transactions": 5,
    "child_max_average": 40,
    "dei_min_female": 3,
    "detections_per_file": 7,
    # A rest is written at the end only: else how long a recovery takes would decide which detections share a file.
    "linger_seconds": 86_400,
}
_ROWS = 3_000
_BROKEN_EVERY = 400  # lines: none to two rejected rows a chunk, of which 1 % may be rejected


def make_files(folder: Path, seed: int) -> tuple[Path, Path]:
    """Generate a feed's transactions, some of them unreadable, and its importance; 12 chunks under ``SETTINGS``."""
    transactions, importance = folder / "transactions.csv", folder / "CustomerImportance.csv"
    generate(transactions, importance, rows=_ROWS, seed=seed, customers=60, merchants=12)
    lines = transactions.read_text().splitlines(keepends=True)
    for number in range(_BROKEN_EVERY, len(lines), _BROKEN_EVERY):
        lines[number] = "0,'C1','2','M'\n"
    transactions.write_text("".join(lines))
    return transactions, importance


class ChaosFeed:
    """One feed in the stack, under a name of its own.

    Parameters
    ----------
    scene
        The stack.
    name
        Its name.
    files
        Transactions and importance.
    """

    def __init__(self, scene: Scene, name: str, files: tuple[Path, Path], **settings: Any) -> None:
        self._scene = scene
        self.name = name
        self.started_at: datetime = now()
        self.landed, self.applied = 0, 0  # as last seen
        root = scene.addresses.drive_root
        folder = root / name
        folder.mkdir(parents=True)
        for file in files:
            (folder / file.name).symlink_to(file.resolve())
        self._conf = {"feed": name, "folder_id": DriveTree(root).id_of(folder), **SETTINGS, **settings}

    def start(self, **ranged: int) -> None:
        """Trigger a run of the feed."""
        self._scene.trigger(self._conf | ranged)

    def progress(self) -> Row | None:
        """How far it is; ``None`` when it has not started, or the ledger is away."""
        progress = self._scene.progress(self.name)
        if progress is not None:
            self.landed, self.applied = progress["landed"], progress["applied"]
        return progress

    def is_done(self) -> bool:
        """Whether all has landed, is applied and is in files."""
        progress = self.progress()
        return progress is not None and is_done(progress)

    def needs_a_start(self) -> bool:
        """Whether nobody would carry it on: the run that was to start it did not come that far."""
        return not self._scene.followed(self.name) and not self.is_done() and not self._scene.busy()
