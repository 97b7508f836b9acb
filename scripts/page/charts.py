"""Charts made of drawings: points with a model's lines, bars in groups, bars in rows."""

import dataclasses
import typing

from page.scales import Linear, Logarithmic
from page.svg import Drawing

WIDTH = 800


@dataclasses.dataclass(frozen=True)
class Box:
    """Where the area between the axes lies in a drawing."""

    left: float
    top: float
    right: float
    bottom: float


@dataclasses.dataclass(frozen=True)
class Series:
    """Measured points (x, y), and points of the line that a model draws."""

    name: str
    points: list
    line: list = dataclasses.field(default_factory=list)


def head(title, subtitle, height, description=""):
    """A drawing with its title."""
    drawing = Drawing(WIDTH, height, title, description or subtitle)
    drawing.text(20, 28, title, kind="strong", font_size=15)
    drawing.text(20, 47, subtitle, kind="faint small")
    return drawing


def legend(drawing, y, names, shape):
    """In a row; `shape` draws the sign of series i at (x, y)."""
    x = 20
    for i, name in enumerate(names):
        shape(x + 8, y - 4, i)
        drawing.text(x + 24, y, name, kind="small")
        x += 52 + 6.5 * len(name)


def points(title, subtitle, axes, series, ticks, rule=None):
    """Series of measured points and a model's lines on logarithmic axes; y is linear if there is a y that matters."""
    drawing = head(title, subtitle, 380)
    box = Box(76, 84, WIDTH - 24, 328)
    every = [point for one in series for point in one.points + one.line]
    x_scale = Logarithmic([x for x, _ in every], box.left, box.right, [x for x in ticks if x in dict(every)])
    ys = [y for _, y in every]
    y_scale = Linear(max(*ys, rule), box.bottom, box.top) if rule else Logarithmic(ys, box.bottom, box.top)
    frame(drawing, box, x_scale, y_scale, *axes)
    if rule:
        drawing.line(box.left, y_scale(rule), box.right, y_scale(rule), "rule", stroke_dasharray="2 3")
    for i, one in enumerate(series):
        if one.line:
            drawing.path([(x_scale(x), y_scale(y)) for x, y in one.line], f"line{i}")
        for x, y in one.points:
            drawing.mark(x_scale(x), y_scale(y), i)
    legend(drawing, 70, [one.name for one in series], drawing.mark)
    return drawing


def frame(drawing, box, x_scale, y_scale, x_name, y_name):
    for value, text in y_scale.ticks():
        y = y_scale(value)
        drawing.line(box.left, y, box.right, y, "grid", stroke_width=1)
        drawing.text(box.left - 8, y + 4, text, "end", "small")
    for value, text in x_scale.ticks():
        x = x_scale(value)
        drawing.line(x, box.top, x, box.bottom, "grid", stroke_width=1)
        drawing.text(x, box.bottom + 18, text, "middle", "small")
    drawing.text((box.left + box.right) / 2, box.bottom + 38, x_name, "middle", "faint small")
    drawing.text(0, 0, y_name, "middle", "faint small",
                 transform=f"translate(22 {(box.top + box.bottom) / 2:.0f}) rotate(-90)")


@dataclasses.dataclass(frozen=True)
class Panel:
    """Groups of bars: `values` by (group, series); None where there is none."""

    title: str
    groups: list
    values: dict


def panels(title, subtitle, series, panels_, columns, x_name):
    """Panels of grouped bars beside and below each other, each with a scale of its own."""
    rows = -(-len(panels_) // columns)
    drawing = head(title, subtitle, 84 + 206 * rows + 4)
    width = (WIDTH - 20) / columns
    for number, panel in enumerate(panels_):
        left, top = 20 + width * (number % columns), 96 + 206 * (number // columns)
        grouped(drawing, Box(left + 40, top + 20, left + width - 20, top + 150), panel, len(series), x_name)
    legend(drawing, 70, series, lambda x, y, i: drawing.add("rect", x=x - 6, y=y - 5, width=12, height=11, rx=2,
                                                            class_=f"fill{i}"))
    return drawing


def grouped(drawing, box, panel, series, x_name):
    scale = Linear(max(value for value in panel.values.values() if value is not None), box.bottom, box.top)
    drawing.text(box.left - 40, box.top - 10, panel.title, kind="small strong")
    for value, text in scale.ticks():
        drawing.line(box.left, scale(value), box.right, scale(value), "grid", stroke_width=1)
        drawing.text(box.left - 6, scale(value) + 4, text, "end", "small")
    step = (box.right - box.left) / len(panel.groups)
    bar = min(0.84 * step / series, 26)
    for number, group in enumerate(panel.groups):
        middle = box.left + step * (number + 0.5)
        drawing.text(middle, box.bottom + 16, str(group), "middle", "small")
        for i in range(series):
            value = panel.values.get((group, i))
            if value is not None:
                x, y = middle + bar * (i - series / 2), scale(value)
                drawing.add("rect", x=x, y=y, width=bar - 1.5, height=max(box.bottom - y, 1.0), rx=1.5,
                            class_=f"fill{i}")
    drawing.text((box.left + box.right) / 2, box.bottom + 32, x_name, "middle", "faint small")


@dataclasses.dataclass(frozen=True)
class Row:
    """A bar with its name and what is written at its end; `goal` is where a mark stands."""

    name: str
    value: float
    text: str
    series: int
    goal: typing.Optional[float] = None


def rows(title, subtitle, rows_, series, name_width, most=None, rule=None):
    """Bars from left to right, one below the other."""
    drawing = head(title, subtitle, 100 + 24 * len(rows_) + 26)
    box = Box(name_width, 84, WIDTH - 104, 92 + 24 * len(rows_))
    scale = Linear(most or max(max(row.value, row.goal or 0) for row in rows_), box.left, box.right)
    for value, text in scale.ticks():
        drawing.line(scale(value), box.top, scale(value), box.bottom, "grid", stroke_width=1)
        drawing.text(scale(value), box.bottom + 18, text, "middle", "small")
    for number, row in enumerate(rows_):
        y = box.top + 8 + 24 * number
        drawing.text(box.left - 10, y + 12, row.name, "end", "small")
        drawing.add("rect", x=box.left, y=y + 1, width=max(scale(row.value) - box.left, 1.0), height=15, rx=2,
                    class_=f"fill{row.series}")
        drawing.text(max(scale(row.value), scale(row.goal or 0)) + 8, y + 12, row.text, kind="small")
        if row.goal:
            drawing.line(scale(row.goal), y - 2, scale(row.goal), y + 19, "rule", stroke_width=2.5)
    if rule:
        drawing.line(scale(rule), box.top, scale(rule), box.bottom, "rule", stroke_dasharray="2 3")
    legend(drawing, 70, series, lambda x, y, i: drawing.add("rect", x=x - 6, y=y - 5, width=12, height=11, rx=2,
                                                            class_=f"fill{i}"))
    return drawing
