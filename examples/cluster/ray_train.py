"""Trains one model on the workers of a Ray cluster: python ray_train.py NUM_WORKERS FOLDER_THAT_ALL_SEE."""

import os
import sys
import tempfile

import ray.train
from ray.train import Checkpoint, RunConfig, ScalingConfig
from ray.train.tensorflow import TensorflowTrainer


def train(config):
    """What every worker runs. Ray has set TF_CONFIG, and TF_USE_LEGACY_KERAS=1, which does not concern Keras 3."""
    import keras  # where the workers run, not where the script starts
    import tensorflow as tf

    import ssdgm_tf as ssdgm

    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    digits = ssdgm.data.load_digits(num_labels=30, seed=0)
    with strategy.scope():
        model = ssdgm.models.M2(num_classes=10, latent_dim=10, hidden_units=(100,))
        model.compile(keras.optimizers.Adam(config["rate"]), gamma=10.0)
    history = model.fit(digits.x_train, digits.y_train, batch_size=100, epochs=config["epochs"], verbose=0)
    metrics = {name: values[-1] for name, values in history.history.items()}
    if ray.train.get_context().get_world_rank():
        return ray.train.report(metrics)
    with tempfile.TemporaryDirectory() as folder:
        model.save(os.path.join(folder, "model.keras"))
        ray.train.report(metrics, checkpoint=Checkpoint.from_directory(folder))


if __name__ == "__main__":
    trainer = TensorflowTrainer(
        train,
        train_loop_config={"rate": 1e-3, "epochs": 2},
        scaling_config=ScalingConfig(num_workers=int(sys.argv[1])),
        run_config=RunConfig(storage_path=os.path.abspath(sys.argv[2])),
    )
    result = trainer.fit()
    print(f"loss {result.metrics['loss']:.2f}; the model is in {result.checkpoint.path}")
