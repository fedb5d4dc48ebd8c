"""How much memory a function needs at its peak."""

import concurrent.futures
import time


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
