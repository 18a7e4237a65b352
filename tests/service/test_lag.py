"""Lag of a standby, told by where its primary was when."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from service.database.lag import History


def history(*notes: tuple[float, int]) -> History:
    made = History()
    for at, position in notes:
        made.note(at, position)
    return made


def test_a_standby_that_has_all_is_current_as_of_the_last_note():
    assert history((1, 100), (2, 200)).current_at(200) == 2
    assert history((1, 100), (2, 200)).current_at(250) == 2


def test_a_primary_that_stands_still_makes_no_lag():
    assert history((1, 100), (2, 100), (3, 100)).current_at(100) == 3


def test_a_standby_between_two_notes_is_current_as_of_between():
    assert history((1, 100), (2, 100), (3, 200), (9, 200)).current_at(150) == 2.5
    assert history((1, 100), (3, 200)).current_at(100) == 1


def test_what_was_before_the_first_note_is_not_known():
    assert history((1, 100)).current_at(99) is None


def test_a_primary_that_took_anothers_place_starts_anew():
    made = history((1, 100), (2, 200), (3, 150))
    assert made.current_at(140) is None
    assert made.current_at(150) == 3


@given(
    steps=st.lists(st.tuples(st.floats(0.1, 5), st.integers(0, 50)), min_size=1, max_size=300),
    share=st.floats(0, 1),
)
def test_it_is_never_later_than_what_the_standby_has(steps, share):
    made, now, position, notes = History(), 0.0, 0, []
    for seconds, written in steps:
        now, position = now + seconds, position + written
        made.note(now, position)
        notes.append((now, position))
    at = int(share * position)
    found = made.current_at(at)
    lacking = [noted for noted, where in notes if where > at]
    if lacking and found is not None:
        assert found <= lacking[0] + 1e-9
    if not lacking:
        assert found == now
