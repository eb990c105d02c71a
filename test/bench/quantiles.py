"""Quantiles of measured values, by the nearest rank: each is a value that was seen."""

import math


def quantile(values, share):
    """The smallest of the sorted `values` that at least this share of them does not exceed."""
    if not values or not 0 <= share <= 1:
        raise ValueError(f"{len(values)} values, share {share}")
    return values[max(math.ceil(share * len(values)) - 1, 0)]


def summary(values):
    """p50, p99, p99.9 and max."""
    ordered = sorted(values)
    return {"p50": quantile(ordered, 0.5), "p99": quantile(ordered, 0.99), "p99.9": quantile(ordered, 0.999),
            "max": ordered[-1]}
