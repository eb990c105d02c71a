"""Scripts made from a seed: random appends, markers, deletions and questions on a few partitions and producers.

Producers know roughly where they are, so that most requests are nearly right: that is where the rules are.
"""

import random
import time

import asking
from asking import OUR_ID
from batches import TRANSACTIONAL, batch

STEPS = 250
PRODUCERS = 3
# Of records: all within a day, so that Kafka does not begin a new segment (segment.ms), where a fetch would end.
TIMES = int(time.time() * 1000) - 36_000_000


class Walk:
    """One run of random steps."""

    def __init__(self, t, seed):
        self.t, self.random = t, random.Random(seed)
        self.sequence = {}  # of (producer, epoch), what would be next
        self.epoch = dict.fromkeys(range(PRODUCERS), 0)
        self.sent = []
        self.coordinator_epoch = 0

    def near(self, n, low=0):
        """Mostly n, sometimes a little off."""
        return max(low, n + self.random.choice((0, 0, 0, 0, 0, 0, 0, 1, -1, -2, 5)))

    def append(self):
        who = self.random.randrange(PRODUCERS)
        epoch = self.near(self.epoch[who])
        count = self.random.randint(1, 4)
        first = self.near(self.sequence.get((who, epoch), 0 if epoch else 2147483640))
        if self.sent and self.random.random() < 0.15:
            who, epoch, first, count = self.random.choice(self.sent[-12:])
        data = batch(count, (OUR_ID + who, epoch, first % (1 << 31)), timestamp=TIMES + self.random.randint(1000, 9000))
        answer = asking.produce(self.t, "x", data, acks=self.random.choice((1, -1)))
        asking.replicated(self.t, "x")
        self.sent.append((who, epoch, first, count))
        if answer["error_code"] == 0:
            self.epoch[who] = max(epoch, self.epoch[who])
            self.sequence[who, epoch] = (first + count) % (1 << 31)

    def foreign(self):
        asking.produce(self.t, "x", batch(self.random.randint(1, 3), timestamp=TIMES + self.random.randint(1000, 9000)))

    def transactional(self):
        """Without a transactional id: refused."""
        asking.produce(self.t, "x", batch(1, (OUR_ID, 0, 0), attributes=TRANSACTIONAL))

    def marker(self):
        who = self.random.randrange(PRODUCERS)
        epoch = self.near(self.epoch[who])
        self.coordinator_epoch = self.near(self.coordinator_epoch)
        asking.markers(self.t, "x", OUR_ID + who, epoch, self.coordinator_epoch, self.random.random() < 0.5,
                       count=self.random.randint(1, 3))
        self.epoch[who] = max(self.epoch[who], epoch)

    def ask(self):
        self.random.choice((
            lambda: asking.producers(self.t, "x"),
            lambda: asking.end(self.t, "x", epoch=self.random.choice((0, 0, 1, -1)),
                               current=self.random.choice((-1, 0, 1))),
            lambda: asking.offsets(self.t, "x", self.random.choice((-1, -2, TIMES, TIMES + 5000, TIMES + 9999)),
                                   isolation=self.random.randint(0, 1)),
        ))()

    def fetch(self):
        asking.fetch(self.t, "x", self.random.randint(0, 60), isolation=self.random.randint(0, 1),
                     partition_bytes=self.random.choice((1, 200, 1000, 100000)))

    def delete(self):
        offset = self.random.randint(0, 30)
        self.t.ask("DeleteRecords", 2, {"timeout_ms": 10000, "topics": [{"name": self.t.topic("x"), "partitions": [
            {"partition_index": 0, "offset": offset}]}]})

    def step(self):
        draws = ((self.append, 50), (self.foreign, 6), (self.transactional, 2), (self.marker, 8), (self.ask, 20),
                 (self.fetch, 12), (self.delete, 2))
        self.random.choices([d for d, _ in draws], [weight for _, weight in draws])[0]()


def script(seed):
    """The script of that seed."""
    def run(t):
        asking.create(t, "x")
        walk = Walk(t, seed)
        for _ in range(STEPS):
            walk.step()
        asking.producers(t, "x")
        asking.fetch(t, "x", 0)
        asking.fetch(t, "x", 0, isolation=1)
    return run
