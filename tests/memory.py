"""How much memory a function needs at its peak."""

import concurrent.futures
import time
import tracemalloc


def own_bytes():
    """Memory of this process alone, in bytes. What the system keeps of files is not counted."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("RssAnon")) * 1024


def peak(function, *args, **kwargs):
    """The most of `own_bytes` while the function runs; what it raises is raised."""
    seen = [own_bytes()]
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        running = pool.submit(function, *args, **kwargs)
        while not running.done():
            seen.append(own_bytes())
            time.sleep(0.01)
        running.result()
    return max(seen)


def allocated(function, *args, **kwargs):
    """What a function returns, and the most bytes that Python and NumPy hold for it while it runs.

    The least of three calls: the first may import modules, and threads of earlier tests may allocate meanwhile.
    """
    peaks = []
    for _ in range(3):
        tracemalloc.start()
        try:
            result = function(*args, **kwargs)
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    return result, min(peaks)
