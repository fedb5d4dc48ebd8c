"""One way to serve a classifier, in its own process: `python -m benchmarks.served_worker '{...}'`.

When ready it answers a line of JSON with its predictions for the first images. To every number of images on its input it
answers the seconds that they took. A served model imports only TensorFlow.
"""

import json
import os
import sys
import time
from collections.abc import Callable

import numpy as np

Classify = Callable[[np.ndarray], np.ndarray]

#: Number of images in the first answer, on which all ways must agree.
FIRST = 5


def images(number: int) -> np.ndarray:
    """Images with as much ink as digits, the same in every process."""
    generator = np.random.default_rng(0)
    ink = generator.uniform(size=(number, 28, 28, 1))
    return np.where(ink < 0.2, 5 * ink, 0.0).astype(np.float32)


def served(path: str) -> Classify:
    """The SavedModel, as on a server."""
    import tensorflow as tf

    classify = tf.saved_model.load(path).signatures["classify"]
    return lambda x: classify(x=tf.constant(x))["probabilities"].numpy()


def litert(path: str) -> Classify:
    """The LiteRT file in TensorFlow's interpreter."""
    import tensorflow as tf

    classify = tf.lite.Interpreter(model_path=path).get_signature_runner("classify")
    return lambda x: classify(x=x)["probabilities"]


def keras_predict(path: str) -> Classify:
    """`predict` of the Keras model."""
    import keras

    import ssdgm_tf  # noqa: F401  registers its classes

    model = keras.models.load_model(path)
    return lambda x: model.predict(x, verbose=0)


WAYS = {"SavedModel": served, "LiteRT": litert, "Keras predict": keras_predict}


def main(settings: dict) -> None:
    """Loads the model named in the settings and answers requests."""
    sys.stdout, answers = sys.stderr, sys.stdout  # libraries print too
    start = time.perf_counter()
    answer = WAYS[settings["way"]](settings["path"])
    first = answer(images(FIRST)).tolist()
    alone = not any(name.startswith(("ssdgm", "tensorflow_probability")) for name in sys.modules)
    ready = {"ready_seconds": time.perf_counter() - start, "first": first, "tensorflow_alone": alone}
    print(json.dumps(ready), file=answers, flush=True)
    for line in sys.stdin:
        x = images(int(line))
        answer(x)  # warms the caches
        start = time.perf_counter()
        answer(x)
        print(json.dumps({"seconds": time.perf_counter() - start}), file=answers, flush=True)


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    main(json.loads(sys.argv[1]))
