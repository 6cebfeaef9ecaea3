"""Joined rankings: words count for more than meaning, and what is bad counts for little."""

import pytest

from weft.local.search.fusion import MEANING_WEIGHT, fuse, spread
from weft.local.store.search import Ranked


def ranking(*scores: tuple[int, float]) -> list[Ranked]:
    return [Ranked(*each) for each in scores]


def test_ranking_alone_keeps_its_order_whatever_its_scale() -> None:
    words = ranking((1, 40.0), (2, 20.0), (3, 0.5))
    assert [each.no for each in fuse(words, [])] == [1, 2, 3]
    assert [each.no for each in fuse([], [ranking((5, 0.9), (4, 0.8))])] == [5, 4]
    assert fuse([], []) == []


def test_whoever_is_first_in_both_is_first_and_has_the_full_score() -> None:
    joined = fuse(ranking((1, 2.0), (2, 1.5), (3, 0.2)), [ranking((1, 1.0), (3, 0.8), (2, 0.1))])
    assert joined[0].no == 1
    assert joined[0].score == pytest.approx(1.0)


def test_good_words_stand_before_a_good_meaning() -> None:
    joined = fuse(ranking((1, 1.2), (2, 1.0)), [ranking((3, 1.0), (4, 0.1))])
    assert [each.no for each in joined] == [1, 2, 3, 4]
    assert joined[2].score == MEANING_WEIGHT


def test_best_of_bad_words_stands_behind_a_good_meaning() -> None:
    joined = fuse(ranking((1, 0.3), (2, 0.2)), [ranking((3, 1.0), (4, 0.1))])
    assert [each.no for each in joined] == [3, 1, 2, 4]


def test_rankings_of_two_models_are_joined_by_their_scores() -> None:
    joined = fuse([], [ranking((1, 0.9), (2, 0.2)), ranking((3, 0.8), (4, 0.1))])
    assert [each.no for each in joined] == [1, 3, 2, 4]


def test_equal_scores_are_ordered_by_number() -> None:
    assert [each.no for each in fuse(ranking((9, 1.0), (3, 1.0), (5, 1.0)), [])] == [3, 5, 9]


def test_scores_are_spread_from_0_to_1() -> None:
    assert spread(ranking((1, 9.0), (2, 5.0), (3, 1.0))) == ranking((1, 1.0), (2, 0.5), (3, 0.0))
    assert spread(ranking((1, 9.0))) == ranking((1, 1.0))
