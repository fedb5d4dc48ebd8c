"""Random state that a saved model keeps, and noise that is not random at all."""

import contextlib

import keras
import tensorflow as tf

_KEY = "seed_generator_state"


def constant_noise(is_constant: bool = True) -> contextlib.AbstractContextManager:
    """A context: noise that is made in it, of known shapes and seeds, becomes a constant of the graph being traced.

    LiteRT has no random operations, and nothing is drawn again at every call.

    Args:
        is_constant: False for a context that does nothing.
    """
    return tf.init_scope() if is_constant else contextlib.nullcontext()


class SavedRandomState:
    """Mixin of a layer or model: a random stream of its own, saved and loaded with the weights.

    Keras saves a layer's weights but not the state of its seed generators, so that a reloaded model would repeat its
    draws and a resumed training run would differ from an uninterrupted one.
    """

    def _make_random_state(self, seed: int | None) -> None:
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def next_seed(self) -> tf.Tensor:
        """The next seed of the stream; int32, as TFP wants it. Replicas of a distributed step have one each."""
        seed = tf.cast(self.seed_generator.next(), tf.int32)
        replica = tf.distribute.get_replica_context()
        if replica is None or replica.num_replicas_in_sync == 1:
            return seed
        return tf.random.experimental.stateless_fold_in(seed, replica.replica_id_in_sync_group)

    def _random_states(self) -> dict:
        """{name in the file: generator} of what is saved; a model adds those of Keras' own layers inside it."""
        return {_KEY: self.seed_generator}

    def save_own_variables(self, store):
        super().save_own_variables(store)
        for name, generator in self._random_states().items():
            store[name] = generator.state.numpy()

    def load_own_variables(self, store):
        generators = self._random_states()
        super().load_own_variables({name: store[name] for name in store.keys() if name not in generators})
        for name, generator in generators.items():
            generator.state.assign(store[name])
