"""A directory seen as a Drive: its folders and files with stable ids, checksums and revisions."""

from __future__ import annotations

import base64
import hashlib
import mimetypes
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

FOLDER = "application/vnd.google-apps.folder"
ROOT_ID = "root"


@dataclass(frozen=True)
class Node:
    """A folder or file.

    Attributes
    ----------
    id
        Derived from the path below the root, so it stays when the content is replaced.
    name
        Name without folder.
    parents
        Id of its folder; empty for the root.
    """

    id: str
    name: str
    parents: tuple[str, ...]
    path: Path
    is_folder: bool

    @property
    def mime_type(self) -> str:
        """MIME type: Drive's own for folders, by the file's name else."""
        return FOLDER if self.is_folder else mimetypes.guess_type(self.name)[0] or "application/octet-stream"


def _opaque(prefix: str, text: str) -> str:
    return prefix + base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode()[:32]


class DriveTree:
    """The files below a directory. Names that start with a dot are not served, nor folders that are symbolic links.

    A Drive folder may hold a name twice, a directory may not: ``x.csv.twin`` is served as another ``x.csv``.

    Parameters
    ----------
    root
        The directory; it becomes the folder ``root``.
    """

    def __init__(self, root: Path) -> None:
        self._root = Node(ROOT_ID, "My Drive", (), root.resolve(), is_folder=True)
        self._known: dict[str, Node] = {}
        self._checksums: dict[Path, tuple[tuple[int, int, int], str]] = {}
        self._hashing = threading.Lock()

    def nodes(self) -> list[Node]:
        """List all folders and files except the root, as they are on disk now."""
        found = list(self._below(self._root))
        self._known = {node.id: node for node in found}
        return found

    def id_of(self, path: Path) -> str:
        """Give the id of a folder or file that is there, however its path is written."""
        real = path.parent.resolve() / path.name
        return next(node.id for node in self.nodes() if node.path == real)

    def get(self, file_id: str) -> Node | None:
        """Find a folder or file by its id."""
        if file_id == ROOT_ID:
            return self._root
        node = self._known.get(file_id)
        if node is None or not node.path.exists():
            self.nodes()
            node = self._known.get(file_id)
        return node

    def fields(self, node: Node) -> dict[str, Callable[[], Any]]:
        """Give the fields of a node, each as a function: a checksum is only computed when it is asked for."""
        fields: dict[str, Callable[[], Any]] = {
            "kind": lambda: "drive#file",
            "id": lambda: node.id,
            "name": lambda: node.name,
            "mimeType": lambda: node.mime_type,
            "parents": lambda: list(node.parents),
            "trashed": lambda: False,
            "modifiedTime": lambda: _rfc3339(node.path.stat().st_mtime),
        }
        if not node.is_folder:
            fields |= {
                "size": lambda: str(node.path.stat().st_size),  # Google sends 64-bit numbers as text
                "md5Checksum": lambda: self.md5(node.path),
                "headRevisionId": lambda: _opaque("0B", f"{node.id} {self.md5(node.path)}"),
            }
        return fields

    def md5(self, path: Path) -> str:
        """Give the MD5 of a file's content; hashed again only when the file may have changed."""
        with self._hashing:
            while True:
                stamp = _stamp(path)
                cached = self._checksums.get(path)
                if cached is not None and cached[0] == stamp:
                    return cached[1]
                with path.open("rb") as file:
                    checksum = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
                if _stamp(path) != stamp:
                    continue  # written to while it was read
                # A file written a moment ago may be written again within the same tick of the clock: not cached yet.
                if time.time_ns() - stamp[1] > 1_000_000_000:
                    self._checksums[path] = (stamp, checksum)
                return checksum

    def _below(self, folder: Node) -> Iterator[Node]:
        for path in sorted(folder.path.iterdir()):
            if path.name.startswith(".") or (path.is_symlink() and path.is_dir()) or not path.exists():
                continue
            relative = path.relative_to(self._root.path).as_posix()
            node = Node(_opaque("1", relative), path.name.removesuffix(".twin"), (folder.id,), path, path.is_dir())
            yield node
            if node.is_folder:
                yield from self._below(node)


def _stamp(path: Path) -> tuple[int, int, int]:
    stat = path.stat()
    return stat.st_ino, stat.st_mtime_ns, stat.st_size


def _rfc3339(timestamp: float) -> str:
    return datetime.fromtimestamp(timestamp, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
