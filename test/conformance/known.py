"""What may differ between the model and Kafka, each with its reason: docs/BROKER.md says it in words."""

import re

# (path of the field, reason). A path is matched from any place to its end.
DELIBERATE = [
    (r"error_message$", "sentences for people: the code is what programs look at"),
    (r"api_keys\.(17|36)$", "SASL is not modelled"),
    (r"throttle_time_ms$", "real brokers measure load"),
    (r"\.value\.documentation$", "not kept"),
]
_PATTERNS = [re.compile(path) for path, _ in DELIBERATE]


def deliberate(path):
    """True when what stands there may differ."""
    return any(p.search(path) for p in _PATTERNS)
