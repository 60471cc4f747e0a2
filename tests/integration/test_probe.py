import time
from random import Random
from tests import random_feeds, reference
from tests.integration.dag_run import World, DagRun
from tests.integration.crashing import Effects
from tests.integration.snapshot import snapshot
from feeds.request import FeedRequest

def test_probe(services, connection, drive, blobs, make_feed):
    r = Random(3)
    feed = make_feed("probe", random_feeds.HEADER + random_feeds.transactions(r, 100), random_feeds.importance(r, 60))
    world = World(services, drive, blobs)
    s = dict(chunk_size=40, interval_seconds=0, upgrade_min_transactions=10, upgrade_percent=30, child_min_transactions=3, child_max_average=30, dei_min_female=1, detections_per_file=4, max_reject_percent=100)
    for n in range(5):
        request = FeedRequest(f"p{n}", s, folder_id=feed.folder_id)
        e = Effects()
        t = time.perf_counter()
        run = DagRun(world, request)
        times = []
        class E(Effects):
            def come(self, name):
                super().come(name); times.append((time.perf_counter(), name))
        e = E()
        run.go_on(e)
        t1 = time.perf_counter()
        snap = snapshot(world.connection, blobs, f"p{n}")
        print(n, len(e.names), t1 - t, time.perf_counter() - t1)
    for (a, name), (b, _) in zip(times, times[1:]): print(f"{(b-a)*1000:.1f}", name)
    print(snap["detections"], snap["detection_files"], snap["feed"])
    expected = [(d.chunk, d.pattern_id, d.action_type, d.customer, d.merchant) for d in reference.detect(feed.transactions, feed.folder / "CustomerImportance.csv", s)]
    assert [tuple(d[1:]) for d in snap["detections"]] == expected
