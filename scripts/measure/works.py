"""The work that is measured: networks, data, and how many iterations make a run of a second or so."""

import dataclasses

# The examples of the cat images, and of the built-in ones.
CAT_COLUMNS = 209

# How often they stand in the larger batch.
REPEATED = 40


@dataclasses.dataclass(frozen=True)
class Work:
    """A network, and m columns of `cats` (repeated until there are m) or of `random` numbers to train it on."""

    network: str
    m: int
    data: str
    init: str
    iterations: int

    def __str__(self):
        return f"{self.network}, m = {self.m}"

    @property
    def hidden(self):
        return ",".join(self.network.split("-")[1:-1])

    @property
    def sizes(self):
        """n_0 … n_L."""
        return [int(size) for size in self.network.split("-")]

    @property
    def file_name(self):
        """Works with one file have one name of it."""
        return f"{self.data}-{self.sizes[0]}-{self.m}.h5"


FOUR_LAYERS = Work("12288-20-7-5-1", CAT_COLUMNS, "cats", "scaled", 500)
TWO_LAYERS = Work("12288-7-1", CAT_COLUMNS, "cats", "small", 1000)
FOUR_LAYERS_MANY_COLUMNS = Work("12288-20-7-5-1", REPEATED * CAT_COLUMNS, "cats", "scaled", 40)
TWO_LAYERS_MANY_COLUMNS = Work("12288-7-1", REPEATED * CAT_COLUMNS, "cats", "small", 80)
LARGE_LAYERS = Work("784-512-256-1", 20000, "random", "scaled", 12)
