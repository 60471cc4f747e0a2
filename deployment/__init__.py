"""What puts the pipeline into a Databricks workspace and an Airflow: one command each, all of them safe to repeat.

``make deploy-workspace``, ``make deploy-job`` and ``make connections`` call it; docs/deploy-azure.md says when.
"""

import sys
from pathlib import Path

# Airflow puts plugins/ on the path of its own processes; the commands here use the same modules.
sys.path.append(str(Path(__file__).resolve().parents[1] / "plugins"))
