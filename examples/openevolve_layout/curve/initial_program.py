"""A formula for a measured curve."""

import math


def curve(x):
    """The value at x."""
    return 0.5 * x


def amplitude(x):
    """How far the values swing at x."""
    return 1.0 + math.sin(x) * 0.0
