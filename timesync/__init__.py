"""The one clock, the state store's, and how clients find their offset from it."""
