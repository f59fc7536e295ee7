"""The product: sync sessions, their store, service, fan-out and doors."""
