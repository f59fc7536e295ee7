"""Time endpoint: the store's clock, from which clients compute their offset."""
