"""Data of two supervised variables."""

import numpy as np
import pytest

PEOPLE, SIZE = 4, 40


@pytest.fixture
def data():
    """40 images; who is known for the first 12, lighting for 6..17: both, one or none."""
    generator = np.random.default_rng(0)
    x = generator.normal(size=(SIZE, 4, 3)).astype(np.float32)
    who = np.where(np.arange(SIZE) < 12, np.arange(SIZE) % PEOPLE, -1)
    lighting = generator.normal(size=(SIZE, 3)).astype(np.float32)
    lighting /= np.linalg.norm(lighting, axis=1, keepdims=True)
    lighting[(np.arange(SIZE) < 6) | (np.arange(SIZE) >= 18)] = np.nan
    return {"image": x}, {"who": who, "lighting": lighting}
