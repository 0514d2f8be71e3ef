"""All charts in all situations."""

import pytest
from gallery import pictures
from matplotlib import pyplot as plt
from support import some


@pytest.mark.slow
@pytest.mark.sampled
def test_every_picture_fits_its_figure():
    """Tiny, small, dark, four in one, of 200 groups or five years: without a warning, and inside.

    A figure without a layout engine is as wide as its caller made it.
    """
    outside = []
    for name, draw in some(pictures(), 7):
        figure = draw()
        figure.draw_without_rendering()
        box, (width, height) = figure.get_tightbbox(), figure.get_size_inches()
        if box.y1 > height + 0.05 or box.y0 < -0.05:
            outside.append(name)
        if not name.endswith("bare") and (box.x0 < -0.05 or box.x1 > width + 0.05):
            outside.append(name)
        plt.close(figure)
    assert not outside
