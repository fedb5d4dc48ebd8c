"""Configs of objects that hold layers, where a layer may be held twice."""

import keras

from ssdgm_tf.keras_internals import ObjectSharingScope


def from_parts(config: dict, names: tuple[str, ...]) -> dict:
    """The config with what it names made anew: deserialized, or copied where `get_config` gave the object itself.

    Keras recognises a layer that is held twice only if `get_config` leaves it to Keras to serialize it. So configs of ours
    hold the objects; a file holds their serialized form, and `from_config` meets either.

    Args:
        config: of `get_config`, or of a file.
        names: the fields that hold objects, or {name: object}.
    """
    parts = {name: config[name] for name in names}
    if any(_holds_objects(part) for part in parts.values()):
        with ObjectSharingScope():
            serialized = keras.saving.serialize_keras_object(parts)
        with ObjectSharingScope():
            return {**config, **keras.saving.deserialize_keras_object(serialized)}
    return {**config, **{name: keras.saving.deserialize_keras_object(part) for name, part in parts.items()}}


def _holds_objects(part) -> bool:
    if isinstance(part, dict) and "class_name" not in part:
        return any(_holds_objects(value) for value in part.values())
    return not isinstance(part, dict | str | int | float | None)
