"""Checkpoints outside the database: what was rewritten, truncated or deleted as a whole is found."""

import base64
import hashlib
from contextlib import suppress
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from django.core.management import CommandError, call_command

from audit import checkpoint_log, checkpoint_verification, checkpoints, selectors
from audit.checkpoint_log import LogDamaged
from audit.checkpoint_verification import HeadComparison, LogFault, LogReader
from audit.models import SyncCommit
from audit.retention_role import retention
from audit.tasks import write_checkpoint
from audit.verification import Fault, verify
from synckairos.auth.signing_keys import generate_pem, key_ring
from synckairos.conf import conf
from synckairos.engine import commands as cmd
from synckairos.engine.units import SyncMode
from tests.forged_chains import delete, rechain, truncate
from tests.outboxes import drained

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _may_change():
    """Whoever changes rows on PostgreSQL has to get past the trigger first."""
    with retention():
        yield


@pytest.fixture
def directory(tmp_path):
    """The directory of a new log."""
    return tmp_path / "checkpoints"


@pytest.fixture
def play(real):
    """Plays a session on, or a new one, and gives its row."""

    def play(row=None, moves=3):
        if row is None:
            seats = tuple(cmd.Seat(uuid4(), 60_000) for _ in range(2))
            session_id = real(cmd.Create.of(sync_mode=SyncMode.PER_PARTICIPANT, participants=seats)).session_id
            real(session_id, cmd.Start())
        else:
            session_id = row.session_id
        for _ in range(moves):
            real(session_id, cmd.Switch())
        drained()
        return selectors.session_get(session_id)

    return play


def found(directory):
    return [(f.session_id, f.version, f.fault) for f in HeadComparison().findings(LogReader(directory).read())]


def test_what_nobody_has_touched_is_right(directory, play):
    first, _ = play(), play()
    checkpoints.make(directory)
    play(first)
    assert checkpoints.make(directory).leaves == 1
    assert checkpoints.make(directory).checkpoint is None
    reader = LogReader(directory)
    assert list(HeadComparison().findings(reader.read())) == []
    assert (reader.checkpoints, reader.leaves, reader.unsigned_leaves, reader.of_unknown_keys) == (2, 3, 0, 0)


def test_a_session_that_is_gone_altogether_is_missing(directory, play):
    session, _ = play(), play()
    checkpoints.make(directory)
    delete(session)
    assert found(directory) == [(str(session.session_id), 5, Fault.MISSING)]


def test_a_session_whose_last_rows_are_gone_is_truncated(directory, play):
    session = play()
    checkpoints.make(directory)
    truncate(session, 3)
    session.refresh_from_db()
    assert verify(session).finding is None
    assert found(directory) == [(str(session.session_id), 3, Fault.TRUNCATED)]


def test_a_chain_that_was_written_anew_is_forked(directory, play):
    session = play()
    checkpoints.make(directory)
    rechain(session, 3, request_id="r-2")
    assert verify(session).finding is None
    assert found(directory) == [(str(session.session_id), 5, Fault.FORKED)]


def test_a_chain_that_was_written_anew_is_forked_even_after_a_checkpoint_of_it(directory, play):
    """Whoever writes the rows anew, with new numbers, gets the new head signed too; the old one was signed before."""
    session = play()
    checkpoints.make(directory)
    rechain(session, 3, request_id="r-2")
    for row in SyncCommit.objects.filter(session=session, version__gte=3).order_by("version"):
        row.delete()
        row.pk = None
        row.save()
    assert checkpoints.make(directory).leaves == 1
    assert verify(session).finding is None
    assert found(directory) == [(str(session.session_id), 5, Fault.FORKED)]


def test_a_session_that_was_shortened_is_truncated_even_after_a_checkpoint_of_it(directory, play):
    session = play()
    checkpoints.make(directory)
    truncate(session, 3)
    assert checkpoints.make(directory).leaves == 1
    assert found(directory) == [(str(session.session_id), 3, Fault.TRUNCATED)]


def test_a_checkpoint_that_is_made_while_the_log_is_read_is_no_fault(directory, play, monkeypatch):
    session = play()
    checkpoints.make(directory)
    read, made = checkpoint_verification._checkpoints, []

    def with_one_more_behind(path):
        yield from read(path)
        play(session)
        made.append(checkpoints.make(directory))

    monkeypatch.setattr(checkpoint_verification, "_checkpoints", with_one_more_behind)
    assert found(directory) == []
    assert made[0].leaves == 1


def test_an_audit_without_commits_is_told_once(directory, play, caplog):
    """Retention can have pruned all that there was."""
    delete(play())
    checkpoints.make(directory)
    session = play()
    checkpoints.make(directory)
    delete(session)
    for _ in range(3):
        checkpoints.make(directory)
    assert caplog.text.count("fewer commits than its checkpoints") == 1


def test_a_digest_that_was_removed_is_found(directory, play):
    session = play()
    checkpoints.make(directory)
    SyncCommit.objects.filter(session=session).update(digest=None, previous=None, body=None)
    assert verify(session).finding is None
    assert found(directory) == [(str(session.session_id), 5, Fault.ALTERED)]


def test_a_commit_of_a_checkpoint_that_is_not_there_is_missing(directory, play):
    session = play()
    checkpoints.make(directory)
    session = play(session)
    SyncCommit.objects.filter(session=session, version=5).delete()
    assert found(directory) == [(str(session.session_id), 5, Fault.MISSING)]


def test_a_checkpoint_has_the_form_of_c2sp_and_can_be_verified_with_the_published_key(directory, play, capsys):
    play()
    note = checkpoints.make(directory).checkpoint
    assert (directory / "checkpoint").read_text() == note
    text, _, signature = note.partition("\n\n")
    origin, size, root = text.split("\n")
    leaves = (directory / "leaves").read_bytes().splitlines()
    assert (size, base64.b64decode(root)) == ("1", hashlib.sha256(b"\0" + leaves[0]).digest())
    dash, name, encoded = signature.rstrip("\n").split(" ")
    call_command("audit_checkpoint", "--key", directory=directory)
    named, key_id, key = capsys.readouterr().out.strip().split("+", 2)
    assert (dash, name, named) == ("—", origin, origin)
    key, signed = base64.b64decode(key), base64.b64decode(encoded)
    assert signed[:4].hex() == key_id == hashlib.sha256(f"{origin}\n".encode() + key).hexdigest()[:8]
    assert key[:1] == b"\x01"
    Ed25519PublicKey.from_public_bytes(key[1:]).verify(signed[4:], f"{text}\n".encode())
    [published] = conf().signing_keys.jwks()["keys"]
    assert base64.urlsafe_b64decode(published["x"] + "=") == key[1:]


@pytest.mark.parametrize("name", ["leaves", "checkpoints"])
def test_one_flipped_byte_in_the_log_is_found(directory, play, name):
    """In the name of a key it makes the key an unknown one, which is told."""
    for _ in range(3):
        play()
        checkpoints.make(directory)
    path = directory / name
    good = path.read_bytes()
    for place in range(0, len(good) - 1, 5):
        path.write_bytes(good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :])
        reader = LogReader(directory)
        with suppress(LogFault):
            list(reader.read())
            assert reader.of_unknown_keys == 1, place
    path.write_bytes(good)
    assert found(directory) == []


def test_a_log_that_is_shorter_than_its_checkpoints_is_truncated(directory, play):
    play()
    checkpoints.make(directory)
    (directory / "leaves").write_bytes(b"")
    with pytest.raises(LogFault, match="truncated: a checkpoint covers 1 leaves, and there are 0"):
        list(LogReader(directory).read())
    with pytest.raises(LogDamaged, match="leaves is too short"):
        checkpoints.make(directory)


def test_a_checkpoint_that_was_taken_away_is_found(directory, play):
    session = play()
    checkpoints.make(directory)
    kept = (directory / "checkpoints").read_bytes()
    play(session)
    checkpoints.make(directory)
    (directory / "checkpoints").write_bytes(kept)
    with pytest.raises(LogFault, match="truncated: the newest checkpoint"):
        list(LogReader(directory).read())


def test_what_a_crash_has_left_half_written_is_cut_off(directory, play):
    session = play()
    checkpoints.make(directory)
    for name in ("leaves", "checkpoints"):
        with (directory / name).open("ab") as file:
            file.write(b"half a lin")
    play(session)
    assert checkpoints.make(directory).leaves == 1
    assert found(directory) == []


def test_a_crash_before_the_signature_loses_no_head(directory, play, monkeypatch):
    play()
    monkeypatch.setattr(checkpoint_log.CheckpointLog, "sign", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        checkpoints.make(directory)
    monkeypatch.undo()
    assert checkpoints.make(directory).checkpoint is not None
    assert len(list(LogReader(directory).read())) == 1


def test_one_process_writes_at_a_time(directory, play):
    play()
    with checkpoint_log.locked(directory, "issuer") as opened:
        assert opened is not None
        assert checkpoints.make(directory) is None
    assert checkpoints.make(directory).leaves == 1


def test_another_signing_key_goes_on_and_the_former_one_can_be_named(directory, play, configure, capsys):
    session = play()
    checkpoints.make(directory)
    call_command("audit_checkpoint", "--key", directory=directory)
    former = capsys.readouterr().out.strip()
    configure(signing_keys=key_ring(generate_pem()))
    with pytest.raises(LogFault, match="no known key"):
        list(LogReader(directory).read())
    call_command("audit_verify", "--key", former, checkpoints=directory)
    play(session)
    checkpoints.make(directory)
    call_command("audit_verify", checkpoints=directory)
    assert "checkpoints: 2; by unknown keys: 1; heads: 2" in capsys.readouterr().out


def test_the_worker_writes_checkpoints_where_the_setting_says(directory, play, configure):
    play()
    configure(checkpoint_dir=None)
    write_checkpoint()
    configure(checkpoint_dir=directory)
    write_checkpoint()
    assert found(directory) == []
    assert len(list(LogReader(directory).read())) == 1


def test_the_worker_goes_on_without_a_checkpoint_when_the_log_is_damaged(directory, play, configure):
    play()
    configure(checkpoint_dir=directory)
    write_checkpoint()
    (directory / "state.json").unlink()
    write_checkpoint()


def test_the_command_names_what_differs_from_the_checkpoints(directory, play, capsys):
    session = play()
    call_command("audit_checkpoint", directory=directory)
    call_command("audit_checkpoint", directory=directory)
    assert "Nothing has changed" in capsys.readouterr().out
    delete(session)
    with pytest.raises(SystemExit):
        call_command("audit_verify", checkpoints=directory)
    said = capsys.readouterr().out
    assert f"{session.session_id} ({session.epoch}) version 5: missing: a checkpoint has the session" in said
    with pytest.raises(CommandError):
        call_command("audit_verify", checkpoints=directory / "other")
