"""Golden histories (golden/README.md): what earlier releases stored of sessions is shown as they showed it."""

from collections import Counter
from hashlib import sha256

import msgspec
import pytest

from synckairos.engine import evolve, observe, replay
from synckairos.engine.event_data import details, rebuild
from synckairos.engine.events import Event
from synckairos.stored_state import decode_state
from tests.synckairos.engine.golden import control_scripts, random_sessions, scripts
from tests.synckairos.engine.golden.history import HERE, SUFFIX, load, save, show
from tests.synckairos.engine.golden.record import record

DIGESTS = {
    "first": "f19fde72d7751fea73858b1e03499fca6f0d5a84e50186f1239170afd6f4f712",
    "controls": "3839a9723b88adf1ad608cfc34f6725fd4fba6ad88f93ae1b4557121e055c6da",
}
BY_DEADLINE = {"participant.warned", "participant.expired", "clock.phase_changed"}
HISTORIES = [history for name in DIGESTS for history in load(HERE / f"{name}{SUFFIX}")]

events = msgspec.msgpack.Decoder(Event)
golden = pytest.mark.parametrize("history", HISTORIES, ids=lambda history: history.name)


def events_of(history):
    return [events.decode(event) for event in history.events]


def as_then(shown, golden):
    """Return the JSON of a view without the fields that the golden one does not have. All else must be equal."""
    new, old = msgspec.json.decode(shown), msgspec.json.decode(golden)
    kept = _without_new_fields(new, old)
    for field in ("participants", "groups"):
        if len(new[field]) == len(old[field]):
            kept[field] = [_without_new_fields(*pair) for pair in zip(new[field], old[field], strict=True)]
    return msgspec.json.encode(kept)


def _without_new_fields(new, old):
    return {field: value for field, value in new.items() if field in old}


def check_views(state, moment):
    for view in moment.views:
        shown = show(state, view.at_ms)
        assert shown == view.json or as_then(shown, view.json) == view.json, f"at {view.at_ms}"


@golden
def test_events_replay_to_what_was_shown(history):
    happened, state, done = events_of(history), None, 0
    for moment in history.moments:
        for event in happened[done : moment.events]:
            state = evolve(state, event)
        done = moment.events
        check_views(state, moment)


@golden
def test_rows_of_the_audit_are_rebuilt_to_the_events(history):
    rebuilt = [
        rebuild(
            row.type, sequence=row.sequence, version=row.version, at_ms=row.at_ms, data=msgspec.json.decode(row.data)
        )
        for row in history.rows
    ]
    assert rebuilt == events_of(history)
    check_views(replay(rebuilt), history.moments[-1])


@golden
def test_stored_states_are_decoded_to_what_was_shown(history):
    for moment in history.moments:
        check_views(decode_state(moment.state), moment)


@golden
def test_a_stored_state_goes_on_with_the_events_that_followed(history):
    happened = events_of(history)
    for before, after in zip(history.moments, history.moments[1:], strict=False):
        state = decode_state(before.state)
        for event in happened[before.events : after.events]:
            state = evolve(state, event)
        check_views(state, after)


@golden
def test_deadlines_after_an_old_moment_cause_the_events_that_followed(history):
    happened = events_of(history)
    for moment in history.moments[:-1]:
        following, rows = happened[moment.events :], history.rows[moment.events :]
        state = decode_state(moment.state)
        decision = observe(state, following[0].at_ms)
        # A start is scheduled or commanded; where lag is compensated, a switch that comes too late is an expiry too.
        either = {"session.started", "participant.expired" if state.config.compensates_lag else ""}
        assert bool(decision.events) == (following[0].name in BY_DEADLINE) or following[0].name in either
        for event, row in zip(decision.events, rows, strict=False):
            assert (event.name, event.sequence, event.version) == (row.type, row.sequence, row.version)
            then = msgspec.json.decode(row.data)
            assert (event.at_ms, _without_new_fields(details(event), then)) == (row.at_ms, then)


@pytest.mark.parametrize("name", DIGESTS)
def test_a_file_of_histories_never_changes(name):
    assert sha256((HERE / f"{name}{SUFFIX}").read_bytes()).hexdigest() == DIGESTS[name]


def test_every_file_of_histories_is_replayed():
    assert {path.name.removesuffix(SUFFIX) for path in HERE.glob(f"*{SUFFIX}")} == set(DIGESTS)


def test_the_first_histories_contain_every_event_of_their_time_and_most_of_them_in_every_mode():
    first = load(HERE / f"first{SUFFIX}")
    seen = {(msgspec.json.decode(h.moments[0].views[0].json)["sync_mode"], row.type) for h in first for row in h.rows}
    counts = Counter(kind for _, kind in seen)
    assert len(counts) == 16
    bank_modes_only = {"participant.adjusted"}
    assert {kind for kind, modes in counts.items() if modes < 5} == bank_modes_only


def test_only_fields_that_are_new_are_left_out():
    old = b'{"a":1,"participants":[{"x":1}],"groups":[]}'
    assert as_then(b'{"new":0,"a":1,"participants":[{"x":1,"y":2}],"groups":[]}', old) == old
    for other in (
        b'{"participants":[{"x":1}],"a":1,"groups":[]}',
        b'{"a":1,"participants":[{"x":1},{"x":1}],"groups":[]}',
        b'{"a":2,"participants":[{"x":1}],"groups":[]}',
        b'{"participants":[{"x":1}],"groups":[]}',
    ):
        assert as_then(other, old) != old


@pytest.mark.parametrize("module", [scripts, control_scripts, random_sessions], ids=lambda module: module.__name__)
def test_histories_that_are_recorded_now_have_the_form_of_the_old_ones(module):
    for name, script in list(module.all_scripts().items())[-3:]:
        history = record(name, script)
        test_events_replay_to_what_was_shown(history)
        test_rows_of_the_audit_are_rebuilt_to_the_events(history)
        test_a_stored_state_goes_on_with_the_events_that_followed(history)
        test_deadlines_after_an_old_moment_cause_the_events_that_followed(history)


def test_an_old_file_is_not_written_again(tmp_path):
    path = tmp_path / f"old{SUFFIX}"
    save(path, HISTORIES[:2])
    assert load(path) == HISTORIES[:2]
    with pytest.raises(FileExistsError):
        save(path, HISTORIES)
