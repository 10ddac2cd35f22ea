"""A formula for a measured curve."""

import math

SLOPE = 0.2
SWING = 0.5


def curve(x):
    """The value at x."""
    return SLOPE * x + SWING * math.sin(x)
