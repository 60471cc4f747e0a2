"""The embedded stack: real services on one machine, the generator, and the commands that run the pipeline on them."""

import sys
from pathlib import Path

# Airflow puts plugins/ on the path of its own processes; the commands here use the same modules.
sys.path.append(str(Path(__file__).resolve().parents[1] / "plugins"))
