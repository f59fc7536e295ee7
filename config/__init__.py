"""Wiring: settings, addresses, and the applications that servers load. No room imports this."""
