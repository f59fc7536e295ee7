"""Sessions in the form of game records (PGN), without moves: for each turn the time used and the time left."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from audit.exports.source import Source
from audit.models import SyncSession
from audit.selectors import HistoryIncomplete, rebuilt_events
from synckairos.engine.clock_log import Turn, clock_log


def encode(source: Source) -> Iterator[bytes]:
    """Yield the record of each session that has begun."""
    for session in source.sessions():
        if session.started_at is not None and not session.restored_as:  # its game is in the record of the next epoch
            yield "".join(f"{line}\n" for line in _record(session)).encode()


def _record(session: SyncSession) -> Iterator[str]:
    started_at = session.started_at or session.created_at
    tags = {
        "Event": f"SyncKairos {session.sync_mode}",
        "Site": f"{session.session_id} {session.epoch}",
        "UTCDate": f"{started_at:%Y.%m.%d}",
        "UTCTime": f"{started_at:%H:%M:%S}",
        "Result": "*",
    }
    yield from (f'[{name} "{value}"]' for name, value in tags.items())
    yield ""
    try:
        yield from comments(clock_log(rebuilt_events(session)))
    except HistoryIncomplete as error:
        yield f"{{Event {error} is not written yet.}}"
    yield "*"
    yield ""


def comments(turns: Iterable[Turn]) -> Iterator[str]:
    """Yield `{[%emt …] [%clk …]}` for each turn that was finished and not taken back."""
    for turn in turns:
        if not turn.is_undone and turn.ended_by in {"switch", "timeout"}:
            clk = f" [%clk {turn.clk}]" if turn.clk else ""
            yield f"{turn.number}. {{[%emt {turn.emt}]{clk}}}"
