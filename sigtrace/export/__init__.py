"""Export recordings for other tools: Parquet, CSV, JSON Lines and Perfetto, in one pass with bounded memory.

Each format is a module with `write(source, where)`. They read a `Source`: the events of a recording that pass a
filter, one record batch after the other, as they were recorded.
"""

from sigtrace.export.source import Source

__all__ = ["Source"]
