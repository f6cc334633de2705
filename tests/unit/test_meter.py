"""The meter counts seconds and memory."""

import time

import numpy as np

from gnn.meter import Meter


def test_sleeping_costs_time_but_no_work() -> None:
    with Meter() as meter:
        time.sleep(0.2)

    assert 0.2 <= meter.wall_s < 5
    assert meter.cpu_s < meter.wall_s


def test_memory_that_was_let_go_again_still_counts() -> None:
    with Meter() as small:
        pass
    with Meter() as large:
        held = np.ones(40 * 2**20)
        time.sleep(0.2)
        del held

    assert large.peak_rss_mb > small.peak_rss_mb + 200
