"""Writes DAGS.md from the docstrings of the DAG files, which Airflow shows with each DAG: ``make docs``."""

from __future__ import annotations

import ast
import re

from local.config import CHECKOUT

PAGE = CHECKOUT / "DAGS.md"
_HEAD = """# The DAGs

What Airflow shows with each DAG. `make docs` writes this page from the docstrings in `dags/`.
"""


def render() -> str:
    """Give the page: a section for each DAG file, in the order of their names."""
    sections = [_section(path.read_text()) for path in sorted((CHECKOUT / "dags").glob("*.py"))]
    return "\n".join([_HEAD, *sections])


def _section(source: str) -> str:
    module = ast.parse(source)
    functions = [node for node in module.body if isinstance(node, ast.FunctionDef)]
    (dag_id,) = [node.name for node in functions if any(ast.unparse(by).startswith("dag(") for by in node.decorator_list)]
    docstring = (ast.get_docstring(module) or "").strip()
    text = re.sub(r"^#", "##", docstring, flags=re.MULTILINE)
    title, _, rest = text.partition("\n")
    return f"{title}\n\n`{dag_id}`\n{rest}\n"


if __name__ == "__main__":
    PAGE.write_text(render())
