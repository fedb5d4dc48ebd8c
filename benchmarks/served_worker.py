"""One way to ask a trained model for classes, in a process of its own: `python -m benchmarks.served_worker '{...}'`.

It answers a line of JSON when it is ready, with what it says of the first images, and to every number of images on its input
the seconds that they took. Where the model is served, TensorFlow is all that is imported.
"""

import json
import os
import sys
import time

import numpy as np

#: Images of the first answer, which all ways must agree on.
FIRST = 5


def images(number: int) -> np.ndarray:
    """Images with as much ink as digits have, the same in every process."""
    generator = np.random.default_rng(0)
    ink = generator.uniform(size=(number, 28, 28, 1))
    return np.where(ink < 0.2, 5 * ink, 0.0).astype(np.float32)


def served(path: str):
    """The SavedModel, as a server has it."""
    import tensorflow as tf

    classify = tf.saved_model.load(path).signatures["classify"]
    return lambda x: classify(x=tf.constant(x))["probabilities"].numpy()


def litert(path: str):
    """The LiteRT file in the interpreter that TensorFlow carries."""
    import tensorflow as tf

    classify = tf.lite.Interpreter(model_path=path).get_signature_runner("classify")
    return lambda x: classify(x=x)["probabilities"]


def keras_predict(path: str):
    """`predict` of the model itself."""
    import keras

    import ssdgm_tf  # noqa: F401  registers its classes

    model = keras.models.load_model(path)
    return lambda x: model.predict(x, verbose=0)


WAYS = {"SavedModel": served, "LiteRT": litert, "Keras predict": keras_predict}


def main(settings: dict) -> None:
    """Loads the model that the settings name, and answers."""
    sys.stdout, answers = sys.stderr, sys.stdout  # libraries print too
    start = time.perf_counter()
    answer = WAYS[settings["way"]](settings["path"])
    first = answer(images(FIRST)).tolist()
    alone = not any(name.startswith(("ssdgm", "tensorflow_probability")) for name in sys.modules)
    ready = {"ready_seconds": time.perf_counter() - start, "first": first, "tensorflow_alone": alone}
    print(json.dumps(ready), file=answers, flush=True)
    for line in sys.stdin:
        x = images(int(line))
        answer(x)  # brings its weights back into the caches
        start = time.perf_counter()
        answer(x)
        print(json.dumps({"seconds": time.perf_counter() - start}), file=answers, flush=True)


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    main(json.loads(sys.argv[1]))
