"""Label the PID namespaces of a table by their containers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from sigtrace.events.container import COLUMNS as CONTAINER
from sigtrace.events.container import Container

PLACE = ("host", "nsid", *CONTAINER)
"""The columns that identify the namespace of a row."""


def container_labels(table: pd.DataFrame) -> pd.Series:
    """Return the label of each row's namespace: `web-1`, `shop/checkout-7d4f/app`, or the inode; dtype category.

    `table` has the columns `host`, `nsid` and those of containers. If it contains several hosts, the label begins with
    the host: `web-2: web-1`.
    """
    several = table["host"].nunique() > 1
    groups = table.groupby(list(PLACE), observed=True, sort=False, dropna=False)
    places = [_label(place, several) for place, _ in groups]
    names = sorted(set(places))
    codes = np.array([names.index(name) for name in places], "i4")[groups.ngroup().to_numpy()]
    labels = pd.Categorical.from_codes(codes, pd.Index(names))  # type: ignore[arg-type]  # the stubs want lists
    return pd.Series(labels, index=table.index, name="container")


def _label(place: Sequence[Any], several: bool) -> str:
    host, nsid, *facts = place
    label = Container(*facts).label or str(nsid)
    return f"{host}: {label}" if several else label
