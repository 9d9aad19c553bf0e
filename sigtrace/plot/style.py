"""The style of charts: colours that are distinguishable on light and dark backgrounds, and escaped text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal, TypeVar

import altair as alt

from sigtrace.errors import BadInput
from sigtrace.plot.text import shown

Theme = Literal["light", "dark"]
_Chart = TypeVar("_Chart", bound=alt.Chart | alt.LayerChart)

WIDTH = 720
"""The width of the plotting area in pixels."""

_FONT = "system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif"


@dataclass(frozen=True)
class _Ground:
    ground: str
    ink: str
    faint: str
    lines: str


_GROUNDS: Mapping[Theme, _Ground] = MappingProxyType(
    {
        "light": _Ground("#ffffff", "#1c1f24", "#5a606b", "#e3e6ea"),
        "dark": _Ground("#16181d", "#e8eaed", "#a9b0bb", "#33373f"),
    }
)


class Picture(alt.LayerChart):
    """An Altair chart that notebooks display without a network: as Vega-Lite if they support it, or as PNG.

    All methods of Altair's charts work; `dark()` returns the chart on a dark background.
    """

    def _repr_mimebundle_(self, *_: object, **__: object) -> dict[str, object]:
        spec = self.to_dict()
        known = {**spec, "$schema": "https://vega.github.io/schema/vega-lite/v5.json"}  # what JupyterLab has
        return {
            "application/vnd.vegalite.v5+json": known,
            "image/png": png(self),
            "text/plain": f"<{type(self).__name__}: {plain(spec.get('title'))}>",
        }

    def dark(self) -> Picture:
        """Return the chart on a dark background."""
        return on_ground(self, "dark")


def picture(layers: Sequence[Any], title: str, subtitle: Sequence[str] = (), **size: Any) -> Picture:
    """Return layers as a chart on a light background. `subtitle`: its lines; `size`: `width`, `height`."""
    heading = alt.TitleParams(shown(title, 100), subtitle=[shown(line, 140) for line in subtitle])
    size = {"width": WIDTH, **size}
    return on_ground(Picture(layer=list(layers), title=heading, **size), "light")


def nothing(title: str, why: str) -> Picture:
    """Return an empty chart with the reason as text."""
    text = alt.Chart(alt.InlineData(values=[{"why": why}])).mark_text(size=13).encode(text="why:N")
    return picture([text], title, height=80)


def on_ground(chart: _Chart, theme: Theme) -> _Chart:
    """Return the chart with the colours of a theme. Raises BadInput for an unknown one."""
    if theme not in _GROUNDS:
        raise BadInput(f"unknown theme {theme!r}: use light or dark.")
    on = _GROUNDS[theme]
    chart = chart.copy()
    chart.background = on.ground
    chart.config = alt.Config(
        font=_FONT,
        padding=12,
        view=alt.ViewConfig(stroke=None),
        title=alt.TitleConfig(
            color=on.ink,
            subtitleColor=on.faint,
            anchor="start",
            fontSize=15,
            subtitleFontSize=12,
            offset=10,
            subtitlePadding=4,
        ),
        axis=alt.AxisConfig(
            labelColor=on.ink,
            titleColor=on.faint,
            domainColor=on.faint,
            tickColor=on.faint,
            gridColor=on.lines,
            labelFontSize=11,
            titleFontSize=11,
            titleFontWeight="normal",
            labelLimit=230,
        ),
        legend=alt.LegendConfig(
            labelColor=on.ink,
            titleColor=on.faint,
            labelFontSize=11,
            titleFontSize=11,
            titleFontWeight="normal",
            symbolType="square",
            orient="bottom",
            columns=0,
            labelLimit=300,
        ),
        text=alt.MarkConfig(color=on.ink, font=_FONT),
        rule=alt.MarkConfig(color=on.faint),
    )
    return chart


def plain(title: object) -> str:
    """Return the text of a title."""
    return str(title.get("text", "")) if isinstance(title, dict) else str(title or "")


def png(chart: alt.TopLevelMixin, scale: float = 1.5) -> bytes:
    """Return the chart as a PNG. Raises BadInput without vl-convert-python."""
    return bytes(_converter().vegalite_to_png(chart.to_json(validate=False), scale=scale))


def svg(chart: alt.TopLevelMixin) -> str:
    """Return the chart as an SVG without scripts. Raises BadInput without vl-convert-python."""
    return str(_converter().vegalite_to_svg(chart.to_json(validate=False)))


def javascript() -> str:
    """Return Vega, Vega-Lite and vega-embed as one script, 0.9 MB, for a self-contained page.

    It defines `vegaEmbed(element, spec, options)`. Raises BadInput without vl-convert-python.
    """
    return str(_converter().javascript_bundle())


def _converter() -> Any:
    try:
        import vl_convert
    except ImportError as err:
        raise BadInput("pictures as files need vl-convert-python: pip install 'sigtrace[notebook]'") from err
    return vl_convert
