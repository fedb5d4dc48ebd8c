"""The fields of models of photographs, which the presets on NORB and SVHN share."""

from ssdgm_tf.configs.common import PHOTOGRAPHS

_PIXELS = {"likelihood": "normal", "likelihood_scale": 0.1, "learning_rate_schedule": "cosine", "batch_size": 200}
_CONVOLUTIONAL_IMAGE = {"encoder": "convolutional", "decoder": "convolutional"}

M1 = _PIXELS | {"model": "vae", "learning_rate": 0.001}
M1M2 = _PIXELS | {"model": "m1m2", "latent_dim": 10, "learning_rate": 0.002}
M2 = PHOTOGRAPHS | {"model": "m2", "latent_dim": 20}
ADGM = PHOTOGRAPHS | {"model": "adgm", "latent_dim": 20}
SDGM = PHOTOGRAPHS | _CONVOLUTIONAL_IMAGE | {"model": "sdgm", "latent_dim": 20}
SIDDHARTH = PHOTOGRAPHS | {
    "model": "disentangled_vae",
    "latent_dim": 20,
    "labelled_bound": "importance",
    "num_samples": 2,
}
