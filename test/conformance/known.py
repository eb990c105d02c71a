"""What may differ between the model and Kafka, each with its reason: docs/BROKER.md says it in words."""

import re

# (path of the field, reason). A path is matched from any place to its end.
DELIBERATE = [
    (r"error_message$", "sentences for people: the code is what programs look at"),
    (r"throttle_time_ms$", "real brokers measure load"),
    (r"\.value\.documentation$", "not kept"),
]
_PATTERNS = [re.compile(path) for path, _ in DELIBERATE]


def deliberate(path, ours, theirs):
    """True when this difference is one of those."""
    if path.endswith("error_message"):
        return (ours is None) == (theirs is None)
    return any(p.search(path) for p in _PATTERNS)
