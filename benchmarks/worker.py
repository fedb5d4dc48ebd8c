"""One implementation in its own process, which steps on request: `python -m benchmarks.worker '{...}'`.

It answers a line of JSON when it is ready, and to every line on its input: "loss" for its loss at the problem's noise and
the explicit loss, a number of steps for their time, or "end" for its peak memory.
"""

import importlib
import json
import os
import sys
import time

from benchmarks import problem as p

#: {implementation: (module:class, arguments)}; `step_time` chooses the precisions.
IMPLEMENTATIONS: dict[str, tuple[str, dict]] = {
    "ssdgm_tf": ("engine:Step", {}),
    "ssdgm_tf, jit on": ("engine:Step", {"jit_compile": True}),
    "ssdgm_tf, jit off": ("engine:Step", {"jit_compile": False}),
    "ssdgm_tf, top_k": ("engine:Step", {"estimator": "top_k"}),
    "ssdgm_tf, relaxed": ("engine:Step", {"estimator": "relaxed"}),
    "TensorFlow by hand": ("m2_tensorflow:Step", {}),
    "PyTorch by hand, compiled": ("m2_torch:Step", {"compiled": True}),
    "PyTorch by hand, eager": ("m2_torch:Step", {"compiled": False}),
    "Pyro": ("m2_pyro:Step", {}),
    "Pyro, SVI as in its example": ("m2_pyro:SviStep", {}),
    "ADGM": ("engine:GraphStep", {"graph": "adgm"}),
    "four-node graph": ("engine:GraphStep", {"graph": "faces"}),
    "matrix products alone": ("matrix_products:Step", {}),
}
ESTIMATORS = ("ssdgm_tf, top_k", "ssdgm_tf, relaxed")
OTHERS = ("ADGM", "four-node graph")
FLOOR = "matrix products alone"
#: Steps other than an exact step of M2: other estimators, other models, no model.
OTHER_WORK = (*ESTIMATORS, *OTHERS, FLOOR)


def main(settings: dict) -> None:
    """Builds the step named in the settings and answers requests."""
    sys.stdout, answers = sys.stderr, sys.stdout  # libraries print too
    place, arguments = IMPLEMENTATIONS[settings["implementation"]]
    module, name = place.split(":")
    problem = p.make(settings["num_unlabelled"], settings["num_labelled"])
    step_class = getattr(importlib.import_module(f"benchmarks.{module}"), name)
    before = _memory("VmRSS")
    step = step_class(problem, settings["precision"], **arguments)

    def answer(**values: object) -> None:
        print(json.dumps(values), file=answers, flush=True)

    for _ in range(3):
        step()
    answer(ready=True)
    for line in sys.stdin:
        if line.strip() == "loss":
            again = step_class(problem, settings["precision"], **arguments)  # the weights of `step` have changed
            answer(loss=again.loss(problem), longhand=p.loss(problem, step.analytic_kl))
        elif line.strip() == "end":
            answer(peak_bytes=_memory("VmHWM") - before)
            return
        else:
            step()  # warms the caches
            start = time.perf_counter()
            for _ in range(int(line)):
                step()
            answer(seconds=(time.perf_counter() - start) / int(line))


def _memory(field: str) -> int:
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith(field))


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    main(json.loads(sys.argv[1]))
