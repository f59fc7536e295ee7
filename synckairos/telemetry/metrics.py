"""All metrics of the product, with units in their names. django-prometheus adds those of database and cache."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from prometheus_client import Gauge
from prometheus_client.core import GaugeMetricFamily

from synckairos.telemetry import buffered_metrics
from synckairos.telemetry.buffered_metrics import BufferedCounter as Counter
from synckairos.telemetry.buffered_metrics import BufferedHistogram as Histogram

if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
    buffered_metrics.enable(Path(os.environ["PROMETHEUS_MULTIPROC_DIR"]))

_FAST = (0.0005, 0.001, 0.002, 0.003, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)

HTTP_REQUESTS = Counter("synckairos_http_requests_total", "HTTP requests answered.", ("method", "route", "status"))
HTTP_SECONDS = Histogram(
    "synckairos_http_request_seconds", "Time from request to answer.", ("method", "route"), buckets=_FAST
)
HTTP_WAITING_SECONDS = Histogram(
    "synckairos_http_waiting_seconds",
    "How long a poll or an event stream was open.",
    ("method", "route"),
    buckets=(0.1, 1.0, 5.0, 15.0, 30.0, 60.0, 300.0, 1800.0, 7200.0),
)
STORE_SECONDS = Histogram(
    "synckairos_store_seconds", "Round trip of one script to the state store.", ("script",), buckets=_FAST
)
TRANSITIONS = Counter("synckairos_events_total", "Events committed, by type.", ("event",))
SWITCH_SECONDS = Histogram(
    "synckairos_switch_seconds", "A switch from load to commit, lost races included.", buckets=_FAST
)
LOST_RACES = Counter("synckairos_lost_races_total", "Commits that lost a race and were decided again.")
STALE_SNAPSHOTS = Counter(
    "synckairos_guesses_missed_total", "Commands decided on a remembered state that the store did not have any more."
)
REPLAYED = Counter("synckairos_idempotent_replays_total", "Commands answered with their first answer.")
RATE_LIMITED = Counter("synckairos_rate_limited_total", "Requests refused by a limit.", ("scope",))
REFUSALS = Counter("synckairos_refusals_total", "Requests and sockets refused, by reason.", ("reason",))
SOCKETS = Gauge("synckairos_sockets", "Open WebSockets.", multiprocess_mode="livesum")
STREAMS = Gauge("synckairos_streams", "Open event streams.", multiprocess_mode="livesum")
SOCKETS_OPENED = Counter("synckairos_sockets_opened_total", "WebSockets accepted.")
SOCKETS_CLOSED = Counter(
    "synckairos_sockets_closed_total", "Sockets and streams closed by the server, by code.", ("code",)
)
SOCKETS_REFUSED = Counter("synckairos_sockets_refused_total", "Sockets, streams and polls beyond a limit.", ("limit",))
SESSIONS_REFUSED = Counter(
    "synckairos_sessions_refused_total",
    "Creations refused by a limit of the owner, by limit.",
    ("kind",),
)
SOCKET_FRAMES_IN = Counter("synckairos_socket_frames_in_total", "Frames from clients, by type.", ("type",))
SOCKET_FRAMES_OUT = Counter("synckairos_socket_frames_out_total", "Frames to clients.")
SOCKET_FRAMES_CONFLATED = Counter(
    "synckairos_socket_frames_conflated_total", "State frames that a newer one replaced before they were sent."
)
SOCKET_RESYNCS = Counter("synckairos_socket_resyncs_total", "Sessions brought up to date by the position check.")
SOCKET_FAULTS = Counter("synckairos_socket_faults_total", "Handlers that failed because of a fault of the server.")
AUDIT_ROWS = Counter("synckairos_audit_events_total", "Event rows written by the drain.")
AUDIT_DEAD = Counter("synckairos_audit_dead_letters_total", "Outbox entries set aside as unreadable.")
AUDIT_REFUSED = Counter(
    "synckairos_audit_refused_total", "Times that the database has refused an outbox entry while it took others."
)
AUDIT_SECONDS = Histogram("synckairos_audit_batch_seconds", "One batch of the drain.")
AUDIT_DELAY_SECONDS = Histogram(
    "synckairos_audit_delay_seconds",
    "From the oldest commit of a transaction of the drain to its end.",
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 30.0, 300.0),
)
DEADLINE_LATENESS_SECONDS = Histogram(
    "synckairos_deadline_lateness_seconds",
    "From a deadline to its commit by the timekeeper.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0),
)
LEASES_HELD = Gauge("synckairos_leases_held", "Shards that this timekeeper serves.", multiprocess_mode="livesum")
DEADLINES_SET_ASIDE = Counter("synckairos_deadlines_set_aside_total", "Sessions the timekeeper could not read.")


class ScrapedGauge(NamedTuple):
    """A gauge that is read from the stores at each scrape, by any process (synckairos/ops/scrape.py)."""

    name: str
    documentation: str
    labels: Sequence[str] = ()

    def family(self, value: float | None = None) -> GaugeMetricFamily:
        """Return a metric with this value, or without a value one for values by labels."""
        return GaugeMetricFamily(self.name, self.documentation, value, None if value is not None else self.labels)


STATE_STORE_UP = ScrapedGauge(
    "synckairos_state_store_up", "1 when the state store answers; without it, gauges of the store are missing."
)
AUDIT_STORE_UP = ScrapedGauge("synckairos_audit_store_up", "1 when the database answers.")
DEADLINES_OVERDUE = ScrapedGauge(
    "synckairos_deadlines_overdue", "Sessions with an overdue deadline that is not applied."
)
LONGEST_OVERDUE_SECONDS = ScrapedGauge(
    "synckairos_deadlines_longest_overdue_seconds", "Seconds for which the oldest of them is overdue; 0 for none."
)
TIMEKEEPERS = ScrapedGauge("synckairos_timekeepers", "Timekeepers seen within 5 seconds.")
SHARDS_UNSERVED = ScrapedGauge("synckairos_shards_unserved", "Shards that no timekeeper serves.")
SET_ASIDE = ScrapedGauge("synckairos_sessions_set_aside", "Sessions that the timekeeper set aside as unreadable.")
OUTBOX_ENTRIES = ScrapedGauge("synckairos_outbox_entries", "Commits waiting for the audit.")
DEAD_LETTERS = ScrapedGauge("synckairos_dead_letters", "Outbox entries that the audit set aside as unreadable.")
STORE_MEMORY_USED = ScrapedGauge("synckairos_store_memory_used_bytes", "Memory that a state store uses.", ("node",))
STORE_MEMORY_MAX = ScrapedGauge(
    "synckairos_store_memory_max_bytes", "Memory limit of a state store; missing without a limit.", ("node",)
)
STORE_POLICY = ScrapedGauge(
    "synckairos_store_policy_info",
    "Eviction policy and append-only file of a state store; always 1.",
    ("node", "maxmemory_policy", "appendonly"),
)
STORE_FULL = ScrapedGauge("synckairos_store_full", "1 when a state store refuses writes because of its memory limit.")
STORE_LOSSY = ScrapedGauge("synckairos_store_lossy", "1 when a state store may lose acknowledged data.")
