"""Exports of the audit, in constant memory: one file for each format, and their table in `table.py`."""
