"""Changes of an audit's rows as whoever owns the database can make them: chains that are right in themselves."""

from __future__ import annotations

from audit.models import SyncCommit, SyncEvent, SyncParticipant, SyncPruned, SyncSession
from synckairos import commit_chain


def rechain(session, version, *, request_id=None, begins=False):
    """Write a chain anew from the commit at a version on, with another request id there, or as the first of a chain."""
    previous = b"" if begins else None
    for row in SyncCommit.objects.filter(session=session, version__gte=version).order_by("version"):
        body = bytes(row.body)
        if row.version == version and request_id is not None:
            at = body.index(row.request_id.encode())
            body = body[:at] + request_id.encode() + body[at + len(row.request_id) :]
            row.request_id = request_id
            SyncEvent.objects.filter(session=session, commit_version=version).update(request_id=request_id)
        row.previous = bytes(row.previous) if previous is None else previous
        row.body = body
        row.digest = previous = commit_chain.digest(row.previous, body)
        row.save()


def unchain(session, version, *, with_rows):
    """Make the commits up to a version those of a release before there was a chain, and begin the chain after them."""
    old = SyncCommit.objects.filter(session=session, version__lte=version)
    if with_rows:
        old.update(digest=None, previous=None, body=None)
    else:
        old.delete()
        SyncEvent.objects.filter(session=session, version__lte=version).update(commit_version=None)
    rechain(session, version + 1, begins=True)


def delete(session):
    """Delete all rows of a session."""
    for model in (SyncEvent, SyncCommit, SyncParticipant):
        model.objects.filter(session=session).delete()
    SyncSession.objects.filter(pk=session.pk).delete()


def truncate(session, version):
    """Delete all after a version, and what would tell."""
    SyncEvent.objects.filter(session=session, version__gt=version).delete()
    SyncCommit.objects.filter(session=session, version__gt=version).delete()
    SyncSession.objects.filter(pk=session.pk).update(version=version)


def tombstone(session, version, digest=b"\1" * 32):
    """Write that the session was pruned at this version; nobody signs that."""
    SyncPruned.objects.create(
        session_id=session.session_id,
        epoch=session.epoch,
        version=version,
        digest=digest,
        pruned_at=session.updated_at,
        pruned_by="ops",
    )
