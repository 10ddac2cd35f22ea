"""Find the lowest point of a bumpy landscape with few looks."""

import random

# EVOLVE-BLOCK-START
STRIDE = 6.0


def next_point(x, y, share_used):
    """Where to look next, from the best point so far."""
    return x + random.uniform(-STRIDE, STRIDE), y + random.uniform(-STRIDE, STRIDE)


# EVOLVE-BLOCK-END


def descend(height, n_looks):
    """The best point found and its height."""
    best_x, best_y = 4.0, -4.0
    best = height(best_x, best_y)
    for look in range(n_looks):
        x, y = next_point(best_x, best_y, look / n_looks)
        found = height(x, y)
        if found < best:
            best_x, best_y, best = x, y, found
    return best_x, best_y, best


if __name__ == "__main__":
    print(descend(lambda x, y: x * x + y * y, 100))
