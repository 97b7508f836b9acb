"""From values to pixels, and where an axis has its ticks."""

import math


class Linear:
    """From 0 to a round number that is not below `most`."""

    def __init__(self, most, start, end):
        self.step = round_step(most / 4)
        self.most = self.step * max(1, math.ceil(most / self.step - 1e-9))
        self.start, self.end = start, end

    def __call__(self, value):
        return self.start + (self.end - self.start) * value / self.most

    def ticks(self):
        return [(self.step * i, label(self.step * i)) for i in range(round(self.most / self.step) + 1)]


class Logarithmic:
    """From a little below the least to a little above the most; ticks at 1, 2 and 5 times powers of ten, or as given."""

    def __init__(self, values, start, end, ticks=None):
        margin = 0.06 * math.log(max(values) / min(values))
        self.least, self.most = math.log(min(values)) - margin, math.log(max(values)) + margin
        self.start, self.end, self.given = start, end, ticks

    def __call__(self, value):
        return self.start + (self.end - self.start) * (math.log(value) - self.least) / (self.most - self.least)

    def ticks(self):
        if self.given:
            return [(tick, label(tick)) for tick in self.given]
        powers = range(math.floor(self.least / math.log(10)), math.ceil(self.most / math.log(10)))
        for factors in ((1, 2, 5), (1, 3), (1,)):
            ticks = [factor * 10.0**power for power in powers for factor in factors]
            ticks = [tick for tick in ticks if self.least <= math.log(tick) <= self.most]
            if len(ticks) <= 8:
                break
        return [(tick, label(tick)) for tick in ticks]


def round_step(step):
    """The least of 1, 2, 2.5, 5, 10 times a power of ten that is not below `step`."""
    power = 10.0 ** math.floor(math.log10(step))
    return next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= step * (1 - 1e-9))


def label(value):
    text = f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:g}"
    return text if value >= 10000 else text.replace(",", "")
