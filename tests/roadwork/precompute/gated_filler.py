"""A worker's part of precompute that waits before each shard until the test lets it go on."""

import os
import time

from kerasfusion.roadwork.precompute.on_cluster import ShardFiller


class GatedFiller(ShardFiller):
    """Tells that it is at a shard by a file PROCESS-SHARD in the folder `gate` beside the cache; waits for `open`."""

    def fill(self, path, samples, skip_unreadable):
        gate = path.parents[1].with_name("gate")
        (gate / f"{os.getpid()}-{path.name}").touch()
        while not (gate / "open").exists():
            time.sleep(0.05)
        return super().fill(path, samples, skip_unreadable)
