"""M2, the generative semi-supervised model of Kingma et al. 2014."""

from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from tqdm.auto import tqdm

from ssdgm_tf import layers, objectives
from ssdgm_tf.layers.random_state import SavedRandomState
from ssdgm_tf.models import checks
from ssdgm_tf.models.base import SemiSupervisedModel

tfd = tfp.distributions

LIKELIHOODS = ("bernoulli", "normal")
# Rows of the decoder in one pass of the inference methods: bounds their memory.
_MAX_ROWS = 20_000


@keras.saving.register_keras_serializable(package="ssdgm_tf")
class M2(SavedRandomState, SemiSupervisedModel):
    """M2: a label and a style generate an image (Kingma et al. 2014, section 2.2).

        generative     p(y) p(z) p(x|y,z)      y ~ uniform over K classes,   z ~ Normal(0, I)
        recognition    q(y|x) q(z|x,y)

    | variable | meaning | name here |
    |---|---|---|
    | x | image, pixels in [0, 1] | `x`, [B, *image_shape] |
    | y | label, partly observed | `y`, one-hot inside: `q_y` |
    | z | style, never observed | `q_z` = q(z|x,y), prior `p_z` |

    The bounds are exact in y (all K labels are summed, nothing is sampled or relaxed) and reparameterised in z, with the
    KL of z in closed form:

        L(x,y) = E_q(z|x,y) [ log p(x|y,z) ] + log p(y) - KL(q(z|x,y) || p(z))          eq. 6
        U(x)   = sum_y q(y|x) [ L(x,y) - log q(y|x) ]                                   eq. 7

    `fit` maximises mean U + gamma (M/N) mean [ L + a log q(y|x) ] (eq. 9); see `compile` for the weights. Where the paper
    and its code differ from this class: log p(y) is kept (their code drops it), and the weights of the networks have no
    prior.

    Args:
        num_classes: number of classes K.
        latent_dim: size of the style z.
        hidden_units: widths of the hidden layers of each of the three networks.
        activation: of the hidden layers.
        likelihood: "bernoulli" (pixels in [0, 1]; on grey pixels the cross-entropy, not a normalised density) or
            "normal" with one fixed scale.
        likelihood_scale: the standard deviation of the "normal" likelihood.
        seed: integer seed of the draws of z.
    """

    def __init__(
        self,
        num_classes: int,
        latent_dim: int = 50,
        hidden_units: Sequence[int] = (500, 500),
        activation="softplus",
        likelihood: str = "bernoulli",
        likelihood_scale: float = 0.2,
        seed: int | None = None,
        **kwargs,
    ):
        if likelihood not in LIKELIHOODS:
            raise ValueError(f"likelihood must be one of {LIKELIHOODS}. Received: likelihood={likelihood!r}")
        super().__init__(num_classes, unit_interval=likelihood == "bernoulli", **kwargs)
        self.latent_dim = latent_dim
        self.hidden_units = tuple(hidden_units)
        self.activation = keras.activations.get(activation)
        self.likelihood = likelihood
        self.likelihood_scale = likelihood_scale
        self._make_random_state(seed)

        def network(name):
            return layers.MLP(self.hidden_units, self.activation, dtype=self.dtype_policy, name=name)

        self.q_y_network = network("q_y_network")
        self.q_z_network = network("q_z_network")
        self.p_x_network = network("p_x_network")
        self.q_y = layers.OneHotCategoricalNode(num_classes, dtype=self.dtype_policy, name="q_y")
        self.q_z = layers.NormalNode(latent_dim, dtype=self.dtype_policy, name="q_z")

    def build(self, input_shape):
        self.image_shape = tuple(input_shape[1:])
        pixels = int(np.prod(self.image_shape))
        if self.likelihood == "bernoulli":
            self.p_x = layers.BernoulliNode(self.image_shape, dtype=self.dtype_policy, name="p_x")
        else:
            self.p_x = layers.NormalNode(self.image_shape, scale=self.likelihood_scale, dtype=self.dtype_policy, name="p_x")
        self.q_y_network.build((None, pixels))
        self.q_z_network.build([(None, pixels), (None, self.num_classes)])
        self.p_x_network.build([(None, self.num_classes), (None, self.latent_dim)])
        for node in (self.q_y, self.q_z, self.p_x):
            node.build((None, self.hidden_units[-1]))

    def call(self, x, training=None):
        return tf.exp(self._log_qy(x))

    # -- the graph; images are [B, *image_shape], labels one-hot and broadcastable to [K, S, B, num_classes] --

    def _flat(self, x):
        """Images [B, *image_shape] as [B, pixels]."""
        x = tf.convert_to_tensor(x)
        if not x.shape[1:].is_compatible_with(self.image_shape):
            raise ValueError(
                f"x must hold images of the shape that this model was built for, {self.image_shape}. "
                f"Received: x of shape {x.shape}"
            )
        return tf.reshape(x, [tf.shape(x)[0], int(np.prod(self.image_shape))])

    def _log_qy(self, x):
        """Log q(y|x), nats, [B, K]."""
        q_y = self.q_y.distribution(self.q_y_network(self._flat(x)))
        return tf.nn.log_softmax(q_y.logits_parameter())

    def _q_z(self, x, y) -> tfd.Distribution:
        """q(z|x,y), batch shape [K, 1, B]: x is multiplied once, whatever K is."""
        return self.q_z.distribution(self.q_z_network([self._flat(x)[None, None], y]))

    def _p_z(self) -> tfd.Distribution:
        return tfd.Independent(tfd.Normal(tf.zeros(self.latent_dim, self.q_z.density_dtype), 1.0), 1)

    def _p_y(self) -> tfd.Distribution:
        return tfd.OneHotCategorical(logits=tf.zeros(self.num_classes, self.q_y.density_dtype), dtype=self.q_y.density_dtype)

    def _every_label(self):
        """All K labels, [K, 1, 1, K]."""
        return tf.eye(self.num_classes, dtype=self.q_y.density_dtype)[:, None, None, :]

    def _one_label(self, y):
        """The labels y [B], [1, 1, B, K]."""
        return tf.one_hot(y, self.num_classes, dtype=self.q_y.density_dtype)[None, None]

    def _draw_z(self, q_z, num_samples: int, seed):
        """Draws from q(z|x,y), [K, S, B, latent_dim]."""
        if num_samples == 1:
            return q_z.sample(seed=seed)
        return tf.transpose(tf.squeeze(q_z.sample(num_samples, seed=seed), axis=2), [1, 0, 2, 3])

    def _seed(self, seed: int | None = None):
        """A TFP seed: of the integer given, or the next of the model's own stream."""
        return self.next_seed() if seed is None else tf.constant([seed, 0], tf.int32)

    # -- the bounds --

    def _terms_given_y(self, x, y) -> dict[str, tf.Tensor]:
        """L(x,y) and its terms for one-hot labels y, each [K, B], nats."""
        q_z = self._q_z(x, y)
        z = self._draw_z(q_z, self.num_samples, self._seed())
        log_px = self.p_x.log_prob(self.p_x_network([y, z]), x)
        kl_z = tfd.kl_divergence(q_z, self._p_z())
        return {
            "bound": objectives.labelled_bound(log_px, self._p_y().log_prob(y), kl_z),
            "log_px": tf.reduce_mean(log_px, axis=1),
            "kl_z": tf.reduce_mean(kl_z, axis=1),
        }

    def labelled_terms(self, x, y):
        terms = {name: term[0] for name, term in self._terms_given_y(x, self._one_label(y)).items()}
        return terms | {"bound_labelled": terms.pop("bound"), "log_qy": self._log_qy(x)}

    def unlabelled_terms(self, x):
        terms = self._terms_given_y(x, self._every_label())
        log_qy = tf.transpose(self._log_qy(x))
        qy = tf.exp(log_qy)
        log_py = -float(np.log(self.num_classes))
        return {
            "bound_unlabelled": objectives.unlabelled_bound(terms["bound"], log_qy),
            "log_px": tf.reduce_sum(qy * terms["log_px"], axis=0),
            "kl_z": tf.reduce_sum(qy * terms["kl_z"], axis=0),
            "kl_y": tf.reduce_sum(qy * (log_qy - log_py), axis=0),
        }

    # -- inference and generation: arrays in, arrays out --

    def encode(self, x, y=None) -> dict[str, np.ndarray]:
        """What the model makes of images: class probabilities and style.

        Args:
            x: images [N, ...].
            y: labels [N], -1 for "not known"; None where none is.

        Returns:
            "y": class probabilities [N, K] (one-hot where the label is given), and "z": the mean of q(z|x,y) [N,
            latent_dim] at the given label, else at the likeliest.

        Raises:
            ValueError: bad images or labels, or a model that was never built.
        """
        x, y = self._inference_input(x, y)

        def encode(x, y):
            probs = tf.where((y >= 0)[:, None], self._one_label(y)[0, 0], self(x))
            label = tf.argmax(probs, axis=-1, output_type=tf.int32)
            return {"y": probs, "z": self._q_z(x, self._one_label(label)).mean()[0, 0]}

        return self._in_batches(encode, x, y)

    def reconstruct(self, x, y=None) -> np.ndarray:
        """The mean of p(x|y,z) at `encode(x, y)`, likeliest label held: images [N, *image_shape].

        Args:
            x: images [N, ...].
            y: labels [N], -1 for "not known"; None where none is.
        """
        code = self.encode(x, y)
        return self._in_batches(self._decode, np.argmax(code["y"], axis=-1).astype(np.int32), code["z"])

    def analogies(self, x, y=None) -> np.ndarray:
        """Every label in the style of each image: [N, K, *image_shape], the mean of p(x|y',z) at the style of x.

        Args:
            x: images [N, ...].
            y: labels [N] that the style is inferred with, -1 for "not known"; None where none is.
        """
        styles = self.encode(x, y)["z"]
        labels = np.tile(np.arange(self.num_classes, dtype=np.int32), len(styles))
        images = self._in_batches(self._decode, labels, np.repeat(styles, self.num_classes, axis=0))
        return images.reshape((len(styles), self.num_classes, *self.image_shape))

    def generate(self, given: dict | None = None, num_samples: int | None = None, seed: int | None = None) -> np.ndarray:
        """Images from the model: the mean of p(x|y,z), what is not given drawn from its prior.

        Args:
            given: any of "y": labels [N] and "z": styles [N, latent_dim].
            num_samples: N where nothing is given.
            seed: integer; the same seed gives the same images. None for the model's own stream.

        Returns:
            Images [N, *image_shape].

        Raises:
            ValueError: unknown names, disagreeing lengths, bad labels, no N, or a model that was never built.
        """
        given = dict(given or {})
        lengths = {len(np.atleast_1d(value)) for value in given.values()} | ({num_samples} if num_samples else set())
        if set(given) - {"y", "z"} or len(lengths) != 1:
            raise ValueError(
                "generate takes 'y' [N], 'z' [N, latent_dim], or num_samples = N, all of one length N. Received: "
                f"{ {name: np.shape(value) for name, value in given.items()} }, num_samples={num_samples}"
            )
        self._require_built()
        num_samples = lengths.pop()
        seed_y, seed_z = tf.unstack(tfp.random.split_seed(self._seed(seed), n=2))
        if "y" in given:
            y = checks.labels(given["y"], self.num_classes, num_samples)
            if (y == checks.UNLABELLED).any():
                raise ValueError("generate needs a label per image; leave 'y' out to draw them. Received: -1 in 'y'")
        else:
            y = tf.argmax(self._p_y().sample(num_samples, seed=seed_y), axis=-1, output_type=tf.int32).numpy()
        z = np.asarray(given.get("z", self._p_z().sample(num_samples, seed=seed_z)), np.float32)
        if z.shape != (num_samples, self.latent_dim):
            raise ValueError(f"'z' must have the shape ({num_samples}, {self.latent_dim}). Received: {z.shape}")
        return self._in_batches(self._decode, y, z)

    def log_likelihood(self, x, y=None, num_samples: int = 100, seed: int | None = None) -> np.ndarray:
        """Importance-weighted bound on log p(x), on log p(x, y) where a label is given; nats, float32 [N].

            log (1/S) sum_s sum_y p(x,y,z_ys) / q(z_ys|x,y)

        At most the log-likelihood in expectation, at least the bound of `evaluate`, rising with S (see
        `ssdgm_tf.objectives.importance_weighted_bound`). Memory does not depend on S.

        Args:
            x: images [N, ...].
            y: labels [N], -1 for "not known"; None where none is.
            num_samples: S.
            seed: integer; the same seed gives the same estimate. None for the model's own stream.
        """
        if num_samples < 1:
            raise ValueError(f"num_samples must be at least 1. Received: num_samples={num_samples!r}")
        x, y = self._inference_input(x, y)
        seed, fold_in = self._seed(seed), tf.random.experimental.stateless_fold_in
        batch_size = min(len(x), 100)
        chunk = min(num_samples, max(1, _MAX_ROWS // (self.num_classes * batch_size)))
        sizes = [chunk] * (num_samples // chunk) + [num_samples % chunk] * (num_samples % chunk > 0)
        batches = [slice(i, i + batch_size) for i in range(0, len(x), batch_size)]
        total = np.full(len(x), -np.inf)
        with tqdm(total=len(batches) * len(sizes), desc="log-likelihood", delay=2, leave=False) as progress:
            for i, batch in enumerate(batches):
                for j, size in enumerate(sizes):
                    key = fold_in(fold_in(seed, i), j)
                    log_mean = self._log_mean_weight(x[batch], y[batch], size, key)
                    total[batch] = np.logaddexp(total[batch], log_mean.numpy() + np.log(size))
                    progress.update()
        return (total - np.log(num_samples)).astype(np.float32)

    @tf.function(reduce_retracing=True)
    def _log_mean_weight(self, x, y, num_samples, seed):
        """The importance-weighted bound with the label summed out where y = -1, nats, [B]."""
        labels = self._every_label()
        q_z = self._q_z(x, labels)
        z = self._draw_z(q_z, num_samples, seed)
        log_w = objectives.log_importance_weight(
            log_px=self.p_x.log_prob(self.p_x_network([labels, z]), x),
            log_py=self._p_y().log_prob(labels),
            log_pz=self._p_z().log_prob(z),
            log_qz=q_z.log_prob(z),
        )
        other_label = (y >= 0) & (tf.range(self.num_classes)[:, None] != y)
        return objectives.importance_weighted_bound(tf.where(other_label[:, None], tf.constant(-np.inf, log_w.dtype), log_w))

    def _decode(self, y, z):
        """The mean of p(x|y,z) for labels [N] and styles [N, latent_dim]: images [N, *image_shape]."""
        return self.p_x.distribution(self.p_x_network([self._one_label(y)[0, 0], z])).mean()

    def _in_batches(self, function, *arrays, batch_size: int = 1000):
        """`function` of slices of the arrays, its results (an array, or a dict of them) joined again."""
        parts = [
            function(*(array[start : start + batch_size] for array in arrays))
            for start in range(0, len(arrays[0]), batch_size)
        ]
        return keras.tree.map_structure(lambda *values: np.concatenate(values), *parts)

    def _inference_input(self, x, y):
        self._require_built()
        return self._checked_pair(x, y)

    def get_config(self):
        return {
            **super().get_config(),
            "num_classes": self.num_classes,
            "latent_dim": self.latent_dim,
            "hidden_units": self.hidden_units,
            "activation": keras.activations.serialize(self.activation),
            "likelihood": self.likelihood,
            "likelihood_scale": self.likelihood_scale,
            "seed": self.seed,
        }
