"""Fill a bag: things are taken in the order of their rating while they fit."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

try:
    from heapq import nlargest
except ImportError:
    nlargest = None

CAPACITY, N_DIGITS = 100.0, 9


# EVOLVE-BLOCK-START
def rating(value, weight, capacity):
    """The things of the highest rating are taken first."""
    return value - weight * 0.1


# EVOLVE-BLOCK-END


def fill(things, capacity=CAPACITY):
    """Places of the things that are taken, each a pair of value and weight."""
    ratings = [round(float(rating(value, weight, capacity)), N_DIGITS) for value, weight in things]
    places = range(len(things))
    order = nlargest(len(things), places, key=ratings.__getitem__) if nlargest else sorted(places, key=lambda i: -ratings[i])
    taken, room = [], capacity
    for place in order:
        if things[place][1] <= room:
            taken.append(place)
            room -= things[place][1]
    return taken
