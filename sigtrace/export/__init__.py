"""Export recordings for other tools: Parquet, CSV, JSON Lines and Perfetto, in one pass with bounded memory.

Each format of `formats.FORMATS` is a module with `write`. They read a `source.Source`: the events of a recording that
pass a filter, one record batch after the other, as they were recorded.
"""
