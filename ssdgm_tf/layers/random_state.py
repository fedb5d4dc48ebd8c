"""Random state that a saved model keeps."""

import keras
import tensorflow as tf

_KEY = "seed_generator_state"


class SavedRandomState:
    """Mixin of a layer or model: a random stream of its own, saved and loaded with the weights.

    Keras saves a layer's weights but not the state of its seed generators, so that a reloaded model would repeat its
    draws and a resumed training run would differ from an uninterrupted one.
    """

    def _make_random_state(self, seed: int | None) -> None:
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def next_seed(self) -> tf.Tensor:
        """The next seed of the stream; int32, as TFP wants it."""
        return tf.cast(self.seed_generator.next(), tf.int32)

    def save_own_variables(self, store):
        super().save_own_variables(store)
        store[_KEY] = self.seed_generator.state.numpy()

    def load_own_variables(self, store):
        super().load_own_variables({name: store[name] for name in store.keys() if name != _KEY})
        self.seed_generator.state.assign(store[_KEY])
