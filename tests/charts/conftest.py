"""Use a matplotlib backend without a screen."""

import matplotlib as mpl

mpl.use("Agg")
