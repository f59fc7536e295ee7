"""What happened, for good: the outbox drained into the database, and staff's view of it."""
