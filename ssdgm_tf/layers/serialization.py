"""Configs of objects that hold layers, some of which share a layer."""

from collections.abc import Iterable
from typing import Any

import keras

from ssdgm_tf.keras_internals import ObjectSharingScope


def from_parts(config: dict[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """The config with new objects in the named fields: deserialized, or copied if `get_config` gave the objects themselves.

    Keras recognises a shared layer only if `get_config` leaves the layer for Keras to serialize. So our configs hold the
    objects, a file holds their serialized form, and `from_config` takes both.

    Args:
        config: from `get_config` or from a file.
        names: the fields that hold an object or a dictionary {name: object}.
    """
    parts = {name: config[name] for name in names}
    if any(_holds_objects(part) for part in parts.values()):
        with ObjectSharingScope():
            serialized = keras.saving.serialize_keras_object(parts)
        with ObjectSharingScope():
            return {**config, **keras.saving.deserialize_keras_object(serialized)}
    return {**config, **{name: keras.saving.deserialize_keras_object(part) for name, part in parts.items()}}


def _holds_objects(part: Any) -> bool:
    """Whether a field holds objects, not their serialized form."""
    if isinstance(part, dict) and "class_name" not in part:
        return any(_holds_objects(value) for value in part.values())
    return not isinstance(part, dict | str | int | float | None)
