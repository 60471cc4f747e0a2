"""Links from a task to the page "Transaction patterns", which opens on the feed that the run is about.

Airflow keeps a link as an XCom when the task has ended, so nothing has to be registered with its api-server. The address is
relative: the browser resolves it against the base of Airflow's UI, whatever prefix that has and whatever the worker knows of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from airflow.sdk import BaseOperatorLink

from feeds.due_feed import FEED

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator
    from airflow.sdk.definitions.xcom_arg import XComArg

PAGE = "transaction-patterns"


class _PageLink(BaseOperatorLink):
    """A link to one of the page's views, from a task whose first argument is the feed, or that has it as an XCom."""

    view = ""
    title = ""

    @property
    def name(self) -> str:
        """What the button says."""
        return self.title

    def get_link(self, operator: BaseOperator, *, ti_key: Any) -> str:
        """Give the address, or nothing when the feed is not known because the task has not come so far."""
        asked = next(iter(getattr(operator, "op_args", ())), None)
        feed = asked if isinstance(asked, str) and "{{" not in asked else ""
        feed = feed or ti_key.xcom_pull(key=FEED)
        return f"{PAGE}/{self.view}?{urlencode({'feed': feed})}" if feed else ""


class ChunksLink(_PageLink):
    """The chunks of the feed."""

    view = "chunks"
    title = "Chunks of the feed"


class DetectionsLink(_PageLink):
    """The detections of the feed, with whether the audit found their rules to hold still."""

    view = "detections"
    title = "Detections of the feed"


class FilesLink(_PageLink):
    """The detection files of the feed."""

    view = "files"
    title = "Detection files of the feed"


def linked(result: XComArg, link: BaseOperatorLink) -> XComArg:
    """Give a task's result back, its operator now with a link."""
    result.operator.operator_extra_links = [link]  # type: ignore[attr-defined] # of an operator, which a decorated task is
    return result
