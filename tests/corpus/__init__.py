"""Broken and odd sources, and what must come out of each: ``expected.toml`` is the list to read."""
