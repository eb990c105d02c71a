"""That compare-and-append alone keeps the logs equal: instances that all believe to own everything (design,
section 1)."""

import random
import time

import scenario
from mirror import UNOWNED


class RaceTest(scenario.Scenario):
    def start_racer(self):
        racer = self.start_mirror(start=False)
        racer.program = UNOWNED
        racer.start()
        return racer

    def race(self, count, seconds, disturb):
        topic = self.topic("orders", partitions=6)
        loading = self.begin_produce(topic, rate=3000)
        racers = [self.start_racer() for _ in range(count)]
        chance = random.Random(self.number)
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            time.sleep(chance.uniform(0.2, 1.5))
            disturb(chance.choice(racers), chance)
        self.assertGreater(loading.stop()["records"], 0)
        for racer in racers:
            self.assertTrue(racer.running())
            self.assertEqual(racer.events(msg="partition halted"), [])
        self.assertMirrored()
        return racers

    def test_two_racers(self):
        racers = self.race(2, scenario.depth(10, 300), lambda racer, chance: None)
        for racer in racers:  # or it was no race
            self.assertEqual(racer.stop(), 0)
            self.assertGreater(int(racer.events(msg="stopped")[-1]["records"]), 0)

    def test_racers_killed_and_stopped(self):
        def disturb(racer, chance):
            if chance.random() < 0.5:
                racer.kill()
                racer.start()
            else:
                racer.pause()
                time.sleep(chance.uniform(0.1, 2))
                racer.resume()

        self.race(3, scenario.depth(15, 300), disturb)
