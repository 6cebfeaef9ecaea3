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
    assert scale.tells_apart


def test_vectors_that_say_nothing_of_texts_tell_none_apart() -> None:
    same = np.full((len(PAIRS), 64), 0.125, np.float32)
    assert not measure(same, same).tells_apart
    made_up = np.random.default_rng(1).normal(size=(2, len(PAIRS), 64)).astype(np.float32)
    made_up /= np.linalg.norm(made_up, axis=2, keepdims=True)
    assert not measure(*made_up).tells_apart
    apart = np.eye(len(PAIRS), 64, dtype=np.float32)
    assert not measure(apart, apart[::-1]).tells_apart
