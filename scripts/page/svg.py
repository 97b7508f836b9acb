"""Drawings as SVG text: a card that is light where the reader's surroundings are light, and dark where they are dark.

The card is opaque, so that a drawing is legible also where the page around it has the other colour.
"""

import html

# Blue, orange, green, red: told apart by people who are colour-blind too, and each on either card.
LIGHT = {"card": "#ffffff", "edge": "#d0d7de", "text": "#1f2328", "faint": "#59636e", "grid": "#e4e8ec",
         "series": ["#0969da", "#d4720b", "#1a7f4b", "#a8356f"]}
DARK = {"card": "#0d1117", "edge": "#3d444d", "text": "#f0f6fc", "faint": "#9198a1", "grid": "#262c34",
        "series": ["#58a6ff", "#f0a04b", "#56c288", "#e583b5"]}


def style(colours):
    series = [f".fill{i} {{ fill: {colour}; }} .line{i} {{ stroke: {colour}; }}"
              for i, colour in enumerate(colours["series"])]
    return [f"text {{ fill: {colours['text']}; }} .faint {{ fill: {colours['faint']}; }}",
            f".card {{ fill: {colours['card']}; stroke: {colours['edge']}; }} .grid {{ stroke: {colours['grid']}; }}",
            f".rule {{ stroke: {colours['faint']}; }}", *series]


class Drawing:
    """Elements in the order in which they are drawn. Lengths are pixels, y downwards."""

    def __init__(self, width, height, title, description):
        self.width, self.height = width, height
        self.title, self.description = title, description
        self.elements = []

    def add(self, name, text=None, **attributes):
        pairs = " ".join(f'{key.rstrip("_").replace("_", "-")}="{number(value)}"' for key, value in attributes.items())
        self.elements.append(f"<{name} {pairs}/>" if text is None else f"<{name} {pairs}>{html.escape(text)}</{name}>")

    def text(self, x, y, text, anchor="start", kind="", **more):
        self.add("text", text, x=x, y=y, text_anchor=anchor, class_=kind, **more)

    def line(self, x1, y1, x2, y2, kind, **more):
        self.add("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=kind, **more)

    def path(self, points, kind, **more):
        self.add("path", d="M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points), class_=kind, fill="none", **more)

    def mark(self, x, y, series):
        """A point of a series: each has a shape of its own, since colours alone may not be told apart."""
        shapes = [f"M{x - 4.5:.1f} {y:.1f}a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0-9 0z",
                  f"M{x - 4:.1f} {y - 4:.1f}h8v8h-8z", f"M{x:.1f} {y - 5.5:.1f}l5.5 9.5h-11z",
                  f"M{x:.1f} {y - 5.5:.1f}l5.5 5.5l-5.5 5.5l-5.5-5.5z"]
        self.add("path", d=shapes[series], class_=f"fill{series}")

    def __str__(self):
        lines = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width} {self.height}" '
                 f'width="{self.width}" height="{self.height}" role="img" font-size="13" stroke-width="1.5" '
                 'font-family="system-ui, -apple-system, Segoe UI, Roboto, DejaVu Sans, sans-serif">',
                 f"<title>{html.escape(self.title)}</title>", f"<desc>{html.escape(self.description)}</desc>", "<style>",
                 ".small { font-size: 12px; } .strong { font-weight: 600; }", *style(LIGHT),
                 "@media (prefers-color-scheme: dark) {", *style(DARK), "}", "</style>",
                 f'<rect class="card" x="0.5" y="0.5" width="{self.width - 1}" height="{self.height - 1}" rx="8" '
                 'stroke-width="1"/>', *self.elements, "</svg>"]
        return "\n".join(lines) + "\n"


def number(value):
    return f"{value:.1f}" if isinstance(value, float) else html.escape(str(value))
