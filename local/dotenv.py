"""Write ``.env`` for Docker Compose: ``make env``. It is ``.env.example`` with a new secret in each place that is empty.

An ``.env`` that is there is kept; only the secrets that it lacks are filled in. Needs Python, and nothing that is installed.
"""

from __future__ import annotations

import sys
from pathlib import Path

from local.config import CHECKOUT, NEW_PASSWORDS, secret_variable, write_private


def filled(text: str) -> str:
    """Give the text of an ``.env`` with a value for every secret; those that have one keep it."""
    lines = text.splitlines()
    for name, new in NEW_PASSWORDS.items():
        empty = f"{secret_variable(name)}="
        if not any(line.startswith(empty) for line in lines):
            lines.append(empty)
        lines = [line + new() if line.strip() == empty else line for line in lines]
    return "\n".join(lines) + "\n"


def main(folder: Path = CHECKOUT) -> int:
    """Write the file, and say what to do with it."""
    path = folder / ".env"
    text = (path if path.exists() else folder / ".env.example").read_text()
    write_private(path, filled(text))
    print("Settings and secrets are in .env. Next: docker compose up --detach --wait")
    print("Then Airflow's UI is on http://localhost:8080 (AIRFLOW_PORT); user admin, password SECRET_AIRFLOW of .env.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
