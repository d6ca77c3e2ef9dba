"""A factor appears, grows and ends where its samples' losses do."""

import numpy as np

from rdmtools.analysis.factor_courses import course


def test_the_course_of_a_fall_has_its_times_and_unit():
    blocks = np.arange(100)
    fall = 4 - 3 * np.clip((blocks - 40) / 20, 0, 1)
    found = course(np.column_stack([fall, fall]), np.ones(2))
    np.testing.assert_allclose(found.loss, fall)
    # Twenty equal steps after blocks 40 to 59: the first has 5 %, the tenth half, the nineteenth 95 %.
    assert (found.appears, found.half, found.ends) == (40, 49, 59)
    np.testing.assert_allclose(found.activity.sum(), 1)
    np.testing.assert_allclose(found.activity[41:61], 0.05)
    np.testing.assert_allclose(found.explained, 2 * np.sum((fall - fall.mean()) ** 2))


def test_a_sample_that_rises_where_others_fall_is_mirrored():
    fall = np.repeat([3.0, 1.0], 20)
    found = course(np.column_stack([fall, fall, 5 - fall]), np.array([1.0, 1.0, -1.0]))
    mean = (2 + 2 + 3) / 3
    np.testing.assert_allclose(found.loss, np.repeat([mean + 1, mean - 1], 20))


def test_what_still_moves_has_no_end():
    assert course(np.linspace(3, 1, 60)[:, None], np.ones(1)).ends is None


def test_noise_before_and_after_a_step_is_no_movement():
    rng = np.random.default_rng(0)
    losses = np.repeat([3.0, 1.0], [70, 50])[:, None] + 0.1 * rng.standard_normal((120, 5))
    found = course(losses, np.ones(5))
    assert (found.appears, found.half, found.ends) == (69, 69, 70)
    assert found.activity[70] > 0.95


def test_a_course_that_stands_still_has_no_activity():
    found = course(np.ones((30, 3)), np.ones(3))
    assert found.activity.sum() == 0
    assert found.explained == 0
    assert 0 <= found.appears < 30
