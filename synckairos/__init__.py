"""The kernel: the engine, and what the rooms share (tables of names and errors, ids, clients, authentication,
telemetry)."""
