"""The embedded stack: real services on one machine, the generator, and the commands that run the pipeline on them."""

import logging
import os
import sys
from pathlib import Path

_CHECKOUT = Path(__file__).resolve().parents[1]

# Airflow puts plugins/ on the path of its own processes; the commands here use the same modules. Importing airflow makes its
# home folder, which must not be the user's.
sys.path.append(str(_CHECKOUT / "plugins"))
os.environ["AIRFLOW_HOME"] = os.path.join(os.environ.get("STACK_DIR") or _CHECKOUT / ".stack", "airflow")  # noqa: PTH118 -- either may be text

LOOPBACK = "127.0.0.1,localhost"
"""Where the stack is. A proxy that the environment names is for others: for programs, and for the clients in this process."""

for _name in ("NO_PROXY", "no_proxy"):
    os.environ[_name] = ",".join(filter(None, (os.environ.get(_name), LOOPBACK)))

# One line per request of the Azure SDK would bury what a person wants to read.
logging.getLogger("azure").setLevel(logging.WARNING)
