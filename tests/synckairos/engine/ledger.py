"""What the laws hold the engine to, kept independently of it (test_engine_laws.py)."""

from copy import deepcopy

from synckairos.engine import events as ev


class Ledger:
    """Running time by a stopwatch that is started and stopped by what was announced."""

    def __init__(self):
        self.has_begun, self.since, self.total, self.holder = False, None, 0, None
        self.used, self.turns, self.granted, self.ended, self.cycle_began = {}, {}, {}, 0, 0
        self.before_switch = None

    def note(self, event):
        match event:
            case ev.SessionStarted():
                self.has_begun, self.since, self.holder = True, event.at_ms, event.participant_id
            case ev.SessionResumed():
                self.since = event.at_ms
            case ev.CycleSwitched():
                self.before_switch = None
                before = deepcopy(vars(self))
                self.charge(event.at_ms)
                assert event.from_participant_id == self.holder
                self.turns[self.holder] = self.turns.get(self.holder, 0) + 1
                if event.lag is not None:
                    self.granted[self.holder] = self.granted.get(self.holder, 0) + event.lag.granted_ms
                self.ended, self.before_switch = self.ended + 1, before
                self.open(event.at_ms, event.to_participant_id)
            case ev.CycleUndone():
                assert event.from_participant_id == self.holder
                vars(self).update(self.before_switch)
                assert event.to_participant_id == self.holder
            case ev.CycleAssigned() if self.has_begun:
                is_running = self.since is not None
                self.charge(event.at_ms)
                assert event.from_participant_id == self.holder
                self.open(event.at_ms if is_running else None, event.to_participant_id)
            case ev.SessionPaused():
                self.charge(event.at_ms)
            case (
                ev.SessionCompleted()
                | ev.SessionExpired()
                | ev.SessionCancelled()
                | ev.SessionDeleted()
                | ev.SessionAbandoned()
            ):
                self.charge(event.at_ms)
                self.holder = None

    def charge(self, at_ms):
        if self.since is not None:
            self.total += at_ms - self.since
            self.used[self.holder] = self.used.get(self.holder, 0) + at_ms - self.since
        self.since = None

    def open(self, since, holder):
        self.since, self.holder, self.cycle_began = since, holder, self.total

    def running_ms(self, now):
        return self.total + (0 if self.since is None else now - self.since)

    def used_ms(self, person, now):
        running = now - self.since if self.since is not None and self.holder == person else 0
        return self.used.get(person, 0) + running
