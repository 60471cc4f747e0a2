"""Errors that a person has to act on; each says what is wrong, where, and what to do."""

from __future__ import annotations


class InputError(Exception):
    """What the job was given cannot be used: an argument, the environment, the importance file. Nothing was staged."""


class ChunkError(Exception):
    """A landed blob is missing, was altered, or does not hold as many rows as the ledger says."""


class JobError(Exception):
    """Spark, or what it reaches, has failed; a retry may help."""
