"""Random state that is saved with a model, and noise that is constant."""

import abc
import contextlib
import zlib
from collections.abc import Iterable, Mapping, MutableMapping

import keras
import numpy as np
import tensorflow as tf

from ssdgm_tf.layers.types import Shape

_KEY = "seed_generator_state"
# What makes other noise of a state.
_OTHER = 0x9E3779B9
#: How the names of states of `ssdgm_tf.consistency` begin.
CONSISTENCY = "consistency_"


def constant_noise(is_constant: bool = True) -> contextlib.AbstractContextManager[None]:
    """A context in which noise of known shape and seed becomes a constant of the graph being traced.

    LiteRT, which has no random operations, can run such a graph, and no call draws again.

    Args:
        is_constant: False for a context that does nothing.
    """
    return tf.init_scope() if is_constant else contextlib.nullcontext()


def seeds_of(layer: keras.layers.Layer) -> list[keras.Variable]:
    """The states of a layer's own random numbers, whatever it calls their generators.

    Args:
        layer: a layer; those in it are not looked at.
    """
    return [value.state for value in vars(layer).values() if isinstance(value, keras.random.SeedGenerator)]


class Noise:
    """The states of random numbers at a moment, for passes that repeat their noise or draw other, and leave no trace.

    Args:
        states: the states.
    """

    def __init__(self, states: Iterable[keras.Variable]) -> None:
        self._before = [(state, tf.identity(state.value)) for state in states]

    def scope(self, is_same: bool, values: Iterable[tuple[keras.Variable, tf.Tensor]] = ()) -> keras.StatelessScope:
        """A context in which layers assign nothing: neither statistics of batches nor random states.

        Args:
            is_same: whether they draw what they drew from that moment on; else something else.
            values: variables, and what stands for them.
        """
        states = (
            self._before if is_same else [(state, value ^ tf.cast(_OTHER, value.dtype)) for state, value in self._before]
        )
        return keras.StatelessScope(state_mapping=[*states, *values])


class SavedRandomState(keras.layers.Layer):
    """Base of layers and models with their own random stream, which is saved and loaded with the weights.

    Keras saves a layer's weights but not the state of its seed generators. A reloaded model would repeat its draws, and a
    resumed training run would differ from an uninterrupted one.
    """

    def _make_random_state(self, seed: int | None) -> None:
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def next_seed(self) -> tf.Tensor:
        """The next seed of the stream, int32 as TFP expects it. Each replica of a distributed step gets its own."""
        seed = tf.cast(self.seed_generator.next(), tf.int32)
        replica = tf.distribute.get_replica_context()
        if replica is None or replica.num_replicas_in_sync == 1:
            return seed
        return tf.random.experimental.stateless_fold_in(seed, replica.replica_id_in_sync_group)

    def random_states(self) -> dict[str, keras.Variable]:
        """The states to save, by their names in the file. A model adds those of the Keras layers inside it."""
        return {_KEY: self.seed_generator.state}

    def save_own_variables(self, store: MutableMapping[str, np.ndarray]) -> None:
        super().save_own_variables(store)
        for name, state in self.random_states().items():
            store[name] = keras.ops.convert_to_numpy(state)

    def load_own_variables(self, store: Mapping[str, np.ndarray]) -> None:
        states = self.random_states()
        # A model that was saved with terms and is loaded without has no use for their states.
        others = {name: store[name] for name in store.keys() if name not in states and not name.startswith(CONSISTENCY)}
        super().load_own_variables(others)
        for name, state in states.items():
            if name in store.keys() or not name.startswith(CONSISTENCY):
                state.assign(store[name])


class RandomView(SavedRandomState, abc.ABC):
    """Base of layers that change examples at random in training, and leave them as they are in inference.

    Layers of one network mostly have one seed. Each class draws its own numbers of it.
    """

    def next_seed(self) -> tf.Tensor:
        own = zlib.crc32(type(self).__name__.encode()) >> 1  # an int32, the same in every process
        return tf.random.experimental.stateless_fold_in(super().next_seed(), own)

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        return self.changed(inputs) if training else inputs

    @abc.abstractmethod
    def changed(self, inputs: tf.Tensor) -> tf.Tensor:
        """The examples of a training step, changed; their shape stays.

        Args:
            inputs: [B, ...].
        """

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return input_shape
