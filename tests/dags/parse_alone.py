"""Parse ``dags/`` in a process of its own that may reach nothing, and print as JSON what came of it.

Sockets and SQLite are refused from the first line on, Airflow's connections and Variables while parsing; the plugins folder comes
from Airflow's settings, as on a dag-processor.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, NoReturn

REFUSED = ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto", "sqlite3.connect")


def main(dags: Path) -> None:
    reached: list[str] = []

    def refuse(event: str, arguments: tuple[Any, ...]) -> None:
        if event in REFUSED:
            reached.append(f"{event} {arguments!r}")
            raise PermissionError(reached[-1])

    sys.addaudithook(refuse)

    from airflow.dag_processing.dagbag import DagBag
    from airflow.models.serialized_dag import SerializedDagModel
    from airflow.sdk import BaseHook, Connection, Variable
    from airflow.serialization.serialized_objects import DagSerialization

    def refuse_lookup(*arguments: Any, **_named: Any) -> NoReturn:
        reached.append(f"looked up {arguments!r}")
        raise PermissionError(reached[-1])

    Variable.get = Connection.get = refuse_lookup  # type: ignore[method-assign]
    BaseHook.get_connection = refuse_lookup  # type: ignore[method-assign]

    bag = DagBag(dags, safe_mode=False)
    hashes = {dag.dag_id: SerializedDagModel.hash(DagSerialization.to_dict(dag)) for dag in bag.dags.values()}
    print(json.dumps({"errors": bag.import_errors, "hashes": hashes, "modules": sorted(sys.modules), "reached": reached}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
