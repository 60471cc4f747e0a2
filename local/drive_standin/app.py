"""The HTTP side: Drive's paths as Google has them, and the stand-in's own under ``/standin``."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, Form, Header, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response

from local.drive_standin.media import MediaResponse
from local.drive_standin.problems import DriveProblem, TokenProblem, file_not_found
from local.drive_standin.query import Mask, order, page_offset, page_token, parse_fields, parse_query, select
from local.drive_standin.switches import Count, Fault, Faults, Served
from local.drive_standin.tokens import Tokens
from local.drive_standin.tree import DriveTree, Node

FILE_FIELDS = {
    *("kind", "id", "name", "mimeType", "parents", "trashed", "modifiedTime"),
    *("size", "md5Checksum", "headRevisionId"),
}
LIST_FIELDS = {"kind", "incompleteSearch", "nextPageToken", "files"}
DEFAULT_FILE_FIELDS = "kind,id,name,mimeType"


def create_app(root: Path, credentials: Path) -> FastAPI:
    """Build the server.

    Parameters
    ----------
    root
        Directory whose files are served.
    credentials
        Key file of the service account that may read them (see ``make_credentials``).
    """
    app = FastAPI(title="Google Drive stand-in", openapi_url=None)
    drive = _Drive(root, credentials)
    app.add_api_route("/token", drive.token, methods=["POST"])
    app.add_api_route("/drive/v3/files", drive.list_files, methods=["GET"])
    app.add_api_route("/drive/v3/files/{file_id}", drive.get_file, methods=["GET"], response_model=None)
    app.add_api_route("/standin/health", _health, methods=["GET"])
    app.add_api_route("/standin/faults", drive.add_fault, methods=["POST"], status_code=204)
    app.add_api_route("/standin/faults", drive.faults.clear, methods=["DELETE"], status_code=204)
    app.add_api_route("/standin/served", drive.served.report, methods=["GET"], response_model=dict[str, Count])
    app.add_api_route("/standin/served/reset", drive.served.reset, methods=["POST"], status_code=204)
    app.exception_handler(DriveProblem)(_drive_problem)
    app.exception_handler(TokenProblem)(_token_problem)
    app.exception_handler(RequestValidationError)(_bad_request)
    return app


class _Drive:
    """The endpoints, on what they share; not ``async``, so that FastAPI runs them in threads: hashing takes time."""

    def __init__(self, root: Path, credentials: Path) -> None:
        self.tree = DriveTree(root)
        self.tokens = Tokens(credentials)
        self.faults = Faults()
        self.served = Served()

    def token(self, grant_type: Annotated[str, Form()] = "", assertion: Annotated[str, Form()] = "") -> dict[str, Any]:
        return self.tokens.exchange(grant_type, assertion)

    def list_files(
        self,
        *,
        authorization: Annotated[str, Header()] = "",
        q: str = "",
        fields: str = f"kind,incompleteSearch,nextPageToken,files({DEFAULT_FILE_FIELDS})",
        page_size: Annotated[int, Query(alias="pageSize", ge=1, le=1000)] = 100,
        token: Annotated[str, Query(alias="pageToken")] = "",
        order_by: Annotated[str, Query(alias="orderBy")] = "",
    ) -> dict[str, Any]:
        self._admit(authorization, None, media=False)
        matches, folders = parse_query(q)
        for folder in folders:
            if self.tree.get(folder) is None:
                raise file_not_found("")  # Google leaves the id out here
        mask = parse_fields(fields)
        found = order([node for node in self.tree.nodes() if matches(node)], order_by)
        start = page_offset(token)
        end = start + page_size
        answer = {
            "kind": lambda: "drive#fileList",
            "incompleteSearch": lambda: False,
            "files": lambda: [self._resource(node, mask.get("files", {})) for node in found[start:end]],
        }
        if end < len(found):
            answer["nextPageToken"] = lambda: page_token(end)
        return select(mask, answer, LIST_FIELDS)

    def get_file(
        self,
        file_id: str,
        *,
        authorization: Annotated[str, Header()] = "",
        byte_range: Annotated[str, Header(alias="Range")] = "",
        fields: str = DEFAULT_FILE_FIELDS,
        alt: str = "json",
    ) -> dict[str, Any] | Response:
        media = alt == "media"
        node = self.tree.get(file_id)
        if media and node is not None and not node.is_folder:
            self.served.add(node, requests=1)
        self._admit(authorization, node, media=media)
        if node is None:
            raise file_not_found(file_id)
        if not media:
            return self._resource(node, parse_fields(fields))
        if node.is_folder:
            raise DriveProblem(403, "fileNotDownloadable", "Only files with binary content can be downloaded.", location="alt")
        if (replacement := self.faults.take(["replace_after"], node.name, media=True)) is not None:
            _replace(node.path, replacement.content)
        fault = self.faults.take(["short_body", "drop_body", "stall_body", "ignore_range"], node.name, media=True)
        return MediaResponse(node, byte_range, self.served, fault.fault if fault else "")

    def add_fault(self, fault: Fault) -> None:
        self.faults.add(fault)

    def _admit(self, authorization: str, node: Node | None, *, media: bool) -> None:
        """Check the token, then show the error that was asked for."""
        self.tokens.check(authorization)
        fault = self.faults.take(["status"], node.name if node else None, media=media)
        if fault is not None:
            raise DriveProblem(fault.status, fault.reason)

    def _resource(self, node: Node, mask: Mask) -> dict[str, Any]:
        return select(mask, self.tree.fields(node), FILE_FIELDS)


def _health() -> dict[str, str]:
    return {"status": "ok"}


def _replace(path: Path, content: str) -> None:
    """Give a file other content in one step: readers that have it open keep the old one."""
    with tempfile.NamedTemporaryFile("wb", dir=path.parent, prefix=".standin-", delete=False) as file:
        file.write(content.encode())
    Path(file.name).replace(path)


def _drive_problem(_: Request, problem: DriveProblem) -> JSONResponse:
    return JSONResponse(problem.body(), status_code=problem.status, headers=problem.headers)


def _token_problem(_: Request, problem: TokenProblem) -> JSONResponse:
    return JSONResponse(problem.body(), status_code=400)


def _bad_request(request: Request, problem: RequestValidationError) -> JSONResponse:
    first = problem.errors()[0]
    place = str(first["loc"][-1])
    return _drive_problem(request, DriveProblem(400, "invalidParameter", f"{place}: {first['msg']}", location=place))
