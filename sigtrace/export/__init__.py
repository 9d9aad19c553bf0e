"""Recordings for other tools: Parquet, CSV, JSON Lines and Perfetto, each written in one pass with bounded memory.

One module a format; each has `write(source, where)`. `Source` is what they read: the events of a recording that pass
a filter, record batch by record batch, as they were recorded.
"""

from sigtrace.export.source import Source

FORMATS = ("parquet", "csv", "json", "perfetto")
"""What `sigtrace export --to` takes."""

__all__ = ["FORMATS", "Source"]
