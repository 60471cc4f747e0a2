"""Reading a file on Google Drive in byte ranges: the provider's hook, with what it lacks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

import httplib2
import requests
import tenacity
from airflow.providers.google.suite.hooks.drive import GoogleDriveHook
from google.api_core.client_options import ClientOptions
from google.auth.exceptions import RefreshError
from google.auth.transport.requests import AuthorizedSession
from googleapiclient.errors import HttpError

from feeds.drive_answers import ShortAnswerError, advice, content_range, passes, reason, take
from feeds.errors import DriveAccessError, DriveAwayError, SourceChangedError, SourceFormatError

T = TypeVar("T")

STREAM_BLOCK_BYTES = 4 * 1024 * 1024
TIMEOUT_SECONDS = 60


@dataclass(frozen=True)
class DriveRevision:
    """The head revision of a file, as it was when it was asked for.

    Attributes
    ----------
    file_id, name
        The file.
    size
        Bytes of its content.
    md5
        MD5 of its content, in hexadecimal: two revisions with the same one have the same bytes.
    revision_id
        Drive's id of the revision; empty when Drive does not show it to this account.
    mime_type
        What Drive takes the content for.
    """

    file_id: str
    name: str
    size: int
    md5: str
    revision_id: str
    mime_type: str


class DriveHook(GoogleDriveHook):
    """The provider's hook, with byte ranges, revisions and the endpoint of the connection.

    The connection is a ``google_cloud_platform`` one: ``keyfile_dict``, ``scope`` and ``num_retries`` in its extra mean
    what they mean to the provider. ``drive_endpoint``, which only the embedded stack sets, is where the Drive API is
    instead of at Google, e.g. ``http://127.0.0.1:8093/drive/v3/``.

    **Reading pins no revision.** Drive's ``files.get`` always gives the content of the head revision, whatever that is
    by then. ``revisions.get`` would give a named one, but only to an editor of the file, and the account here is a
    viewer. So a caller compares :meth:`get_revision` from before reading with the one after, as landing does: the same
    MD5 means that all ranges came from the same content, unless it was changed and changed back in between.

    429, 5xx, 403 with a rate limit, lost connections and short answers are tried again, ``num_retries`` times, with
    exponential back-off, here and not by the client's ``execute(num_retries=...)``: that one gives up when a connection
    is lost while a body is read, and cannot stream.

    A hook holds one connection for metadata and one for content, and reuses both. It is not for several threads.

    Parameters
    ----------
    gcp_conn_id
        The Airflow connection.
    backoff_seconds
        Upper bound of the first pause, which is random; it doubles with every try: half a minute at most for five retries.
    """

    def __init__(self, gcp_conn_id: str = "drive", *, backoff_seconds: float = 1.0) -> None:
        super().__init__(gcp_conn_id=gcp_conn_id)
        self.backoff_seconds = backoff_seconds
        self._warned_of_ignored_range = False

    def get_client_options(self, api_endpoint_override: str | None = None) -> ClientOptions:
        """Give the client's options, with the endpoint of the connection when it has one."""
        endpoint = api_endpoint_override or self._get_field("drive_endpoint")
        # The client joins paths to it: without the slash, the last part would be replaced.
        return super().get_client_options(f"{endpoint.rstrip('/')}/" if endpoint else None)

    def find_file(self, name: str, folder_id: str) -> str:
        """Give the id of the one file of this name in a folder; folders and the bin do not count.

        Raises
        ------
        DriveAccessError
            There is no such file, more than one, or the account may not look.
        """
        query = (
            f"name = '{_escaped(name)}' and '{_escaped(folder_id)}' in parents and trashed = false"
            " and mimeType != 'application/vnd.google-apps.folder'"
        )
        what = f"file {name!r} in folder {folder_id}"
        found = self._call(what, lambda: self._list(query))
        # Drive is not documented to tell capital letters apart.
        matches = [file["id"] for file in found if file["name"] == name]
        if len(matches) == 1:
            return str(matches[0])
        if matches:
            raise DriveAccessError(
                f"Drive has {len(matches)} files named {name!r} in folder {folder_id} ({', '.join(matches)});"
                f" leave one of them there (seen as {self.account})"
            )
        raise DriveAccessError(
            f"Drive shows no {what} to {self.account}: correct the name or the folder, or share it with this account"
        )

    def get_revision(self, file_id: str) -> DriveRevision:
        """Ask for a file's size and checksum; reads none of its content.

        Raises
        ------
        DriveAccessError
            The file does not exist, or is not shared with this account.
        SourceFormatError
            It is a folder, a shortcut or a Google document, which have no bytes to read.
        """
        fields = "id,name,size,md5Checksum,headRevisionId,mimeType"
        request = self._files.get(fileId=file_id, fields=fields, supportsAllDrives=True)
        found = self._call(f"file {file_id}", request.execute)
        if "md5Checksum" not in found or "size" not in found:
            raise SourceFormatError(
                f"{found['name']!r} (file {file_id}) on Drive is of type {found['mimeType']}, which has no bytes to"
                " read: a CSV file is expected"
            )
        return DriveRevision(
            file_id=found["id"],
            name=found["name"],
            size=int(found["size"]),
            md5=found["md5Checksum"],
            revision_id=found.get("headRevisionId", ""),
            mime_type=found["mimeType"],
        )

    def read_range(self, revision: DriveRevision, start: int, end: int) -> bytes:
        """Read bytes ``[start, end)`` of a file: all of them, never fewer.

        When Drive ignores ``Range``, they are cut out of the whole file while it streams by: slow, and one warning
        says so.

        Parameters
        ----------
        revision
            The file, and its size when reading began. What is read is the head revision (see the class).
        start, end
            Bytes from the file's start, ``0 <= start <= end <= revision.size``. The answer is held in memory.

        Raises
        ------
        DriveAccessError
            The file is gone, or is not shared with this account.
        SourceChangedError
            The file ends before ``end`` by now.
        ValueError
            The range is not within the file.
        """
        if not 0 <= start <= end <= revision.size:
            raise ValueError(f"bytes [{start}, {end}) are not within {revision.name!r} of {revision.size} bytes")
        if start == end:
            return b""
        return self._call(f"file {revision.file_id} ({revision.name!r})", lambda: self._read_once(revision, start, end))

    def read_stream(self, revision: DriveRevision, start: int = 0, block: int = STREAM_BLOCK_BYTES) -> Iterator[bytes]:
        """Read a file from ``start`` to its end, in ranges of ``block`` bytes, each when it is asked for.

        Raises
        ------
        DriveAccessError, SourceChangedError, ValueError
            As in :meth:`read_range`.
        """
        for at in range(start, revision.size, block):
            yield self.read_range(revision, at, min(at + block, revision.size))

    @property
    def account(self) -> str:
        """E-mail address of the account that reads, for messages."""
        email = getattr(self.get_credentials(), "service_account_email", None)
        return str(email or f"the account of connection {self.gcp_conn_id!r}")

    @cached_property
    def _files(self) -> Any:
        """The client's methods for files: it makes all of them anew each time that it is asked."""
        return self.get_conn().files()

    @cached_property
    def _session(self) -> AuthorizedSession:
        """The connection for content: the client's own HTTP library holds every answer in memory as a whole."""
        return AuthorizedSession(self.get_credentials())

    def _list(self, query: str) -> list[dict[str, Any]]:
        files = self._files
        request = files.list(
            q=query,
            spaces="drive",
            fields="nextPageToken,files(id,name)",
            includeItemsFromAllDrives=True,
            supportsAllDrives=True,
        )
        found: list[dict[str, Any]] = []
        while request is not None:
            answer = request.execute()
            found += answer.get("files", [])
            request = files.list_next(request, answer)
        return found

    def _read_once(self, revision: DriveRevision, start: int, end: int) -> bytes:
        request = self._files.get_media(fileId=revision.file_id, supportsAllDrives=True)
        # Not compressed: the bytes are counted, and a range of a compressed file would be another range.
        headers = request.headers | {"Range": f"bytes={start}-{end - 1}", "accept-encoding": "identity"}
        with self._session.get(request.uri, headers=headers, stream=True, timeout=TIMEOUT_SECONDS) as response:
            if response.status_code == 206:
                return self._read_partial(response, revision, start, end)
            if response.status_code == 200:
                return self._cut_out(response, revision, start, end)
            if response.status_code == 416:
                raise self._ended_early(revision)
            answer = httplib2.Response({"status": response.status_code, "reason": response.reason})
            raise HttpError(answer, response.content, uri=request.uri)

    def _read_partial(self, response: requests.Response, revision: DriveRevision, start: int, end: int) -> bytes:
        told_start, total = content_range(response.headers.get("Content-Range", ""))
        if told_start != start:
            raise ShortAnswerError(f"asked for bytes from {start}, Drive answered with bytes from {told_start}")
        if total is not None and total < end:
            raise self._ended_early(revision)
        return take(response, 0, end - start)

    def _cut_out(self, response: requests.Response, revision: DriveRevision, start: int, end: int) -> bytes:
        if not self._warned_of_ignored_range:
            self._warned_of_ignored_range = True
            self.log.warning(
                "Drive ignores Range for file %s (%r) and sends the whole file each time: this is slow",
                revision.file_id,
                revision.name,
            )
        told = response.headers.get("Content-Length", "")
        if told.isdecimal() and int(told) < end:
            raise self._ended_early(revision)
        return take(response, start, end)

    def _ended_early(self, revision: DriveRevision) -> Exception:
        """Say why the file ends too early: it was changed, or that answer was wrong."""
        now = self.get_revision(revision.file_id)
        if now.md5 == revision.md5:
            return ShortAnswerError(f"Drive has {now.size} bytes of {revision.name!r}, but answered as if it had fewer")
        return SourceChangedError(
            f"{revision.name!r} (file {revision.file_id}) on Drive changed while it was read:"
            f" {revision.size} bytes with MD5 {revision.md5} before, {now.size} bytes with MD5 {now.md5} now"
        )

    def _call(self, what: str, attempt: Callable[[], T]) -> T:
        """Call Drive, again after a fault that passes, and say who needs access to ``what`` when it is refused."""
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception(passes),
            stop=tenacity.stop_after_attempt(self.num_retries + 1),
            wait=tenacity.wait_random_exponential(multiplier=self.backoff_seconds, max=60),
            before_sleep=lambda state: self._log_retry(what, state),
            reraise=True,
        )
        try:
            return retrying(attempt)
        except Exception as error:
            if passes(error):
                tries = self.num_retries + 1
                raise DriveAwayError(f"Drive does not give {what}, asked {tries} times. The last time: {error}") from error
            if isinstance(error, HttpError) and error.status_code in (401, 403, 404):
                raise DriveAccessError(
                    f"Drive refuses {what} with {error.status_code} ({reason(error) or 'no reason given'}): "
                    f"{advice(error, self.account)}"
                ) from error
            if isinstance(error, RefreshError):
                raise DriveAccessError(
                    f"Google gives no token to {self.account} ({error.args[0] if error.args else 'no reason given'}):"
                    f" correct the key in connection {self.gcp_conn_id!r}"
                ) from error
            raise

    def _log_retry(self, what: str, state: tenacity.RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        pause = state.next_action.sleep if state.next_action else 0
        self.log.warning("Reading %s on Drive failed, next try in %.1f s: %s", what, pause, error)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("'", "\\'")
