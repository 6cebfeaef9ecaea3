"""Products of vectors mean something else with each model, and the model itself says what."""

import numpy as np
import pytest

from weft.local.embedding.calibration import PAIRS, measure


def test_unrelated_texts_are_below_the_floor_also_where_all_vectors_point_one_way() -> None:
    apart = np.eye(len(PAIRS), 64, dtype=np.float32)
    scale = measure(apart, apart)
    assert (scale.floor, scale.strong) == pytest.approx((0.5, 1))
    alike = apart + 0.5
    alike /= np.linalg.norm(alike, axis=1, keepdims=True)
    scale = measure(alike, alike)
    assert alike[0] @ alike[1] > 0.9
    assert alike[0] @ alike[1] < scale.floor < scale.strong == pytest.approx(1)
    assert scale.dimensions == 64
