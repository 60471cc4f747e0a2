"""How far reading from Data Lake Storage can be followed without it: Spark gets the right addresses, and lacks the driver.

The same reader on files of this machine: test_spark_reading.py. Hadoop's driver for Azure is in Databricks Runtime, not in
PySpark.
"""

from __future__ import annotations

import pytest
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from deployment.azure import abfss
from detectors.importance import read_importance
from detectors.landed import LandedChunk, verify_checksums
from detectors.transactions import read_chunks
from feeds.blob_names import chunk_blob
from local.config import Addresses
from tests.handmade import HEADER

PATH = f"{abfss('transaction-patterns', 'patternsabc')}/{chunk_blob('bank', 1)}"
NO_DRIVER = pytest.raises(PySparkException, match=r"hadoop\.fs\.azurebfs\.SecureAzureBlobFileSystem not found")


@pytest.fixture(scope="module")
def spark(spark_services: Addresses) -> SparkSession:
    return SparkSession.builder.remote(spark_services.spark_remote).getOrCreate()


def test_the_address_of_a_chunk() -> None:
    assert PATH == "abfss://transaction-patterns@patternsabc.dfs.core.windows.net/chunks/bank/chunk-000001.csv"


def test_checksums_are_asked_of_the_driver_for_azure(spark: SparkSession) -> None:
    with NO_DRIVER:
        verify_checksums(spark, [LandedChunk("chunk 1", PATH, chunk_blob("bank", 1), "0" * 64, 1, 1)])


def test_so_are_transactions(spark: SparkSession) -> None:
    with NO_DRIVER:
        read_chunks(spark, [PATH], HEADER).count()


def test_so_is_importance(spark: SparkSession) -> None:
    with NO_DRIVER:
        read_importance(spark, [PATH]).count()
