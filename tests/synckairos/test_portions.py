"""Portions of a size, and of a weight."""

import pytest

from synckairos.portions import portions


@pytest.mark.parametrize(
    ("number", "expected"), [(0, []), (1, [[0]]), (3, [[0, 1, 2]]), (4, [[0, 1, 2], [3]]), (6, [[0, 1, 2], [3, 4, 5]])]
)
def test_portions_have_at_most_so_many_items(number, expected):
    assert list(portions(range(number), 3)) == expected


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        ([5, 5, 1], [[5, 5], [1]]),
        ([4, 7], [[4], [7]]),
        ([1, 30, 1, 1], [[1], [30], [1, 1]]),
        ([30], [[30]]),
        ([0, 0, 10, 0], [[0, 0, 10, 0]]),
    ],
)
def test_portions_weigh_no_more_than_the_limit_and_a_heavier_item_is_alone(weights, expected):
    assert list(portions(weights, 10, int)) == expected


def test_items_are_read_no_further_than_the_portion_needs():
    items = iter(range(10))
    assert next(portions(items, 3)) == [0, 1, 2]
    assert next(items) == 4
