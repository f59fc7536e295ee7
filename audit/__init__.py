"""The durable history of sessions: the drain of the outbox into the database, and the admin's view of it."""
