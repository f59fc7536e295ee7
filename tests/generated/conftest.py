"""Where the generators are: `make generated` says so in GENERATORS; without it these tests are not collected."""

from __future__ import annotations

import os

collect_ignore_glob = [] if "GENERATORS" in os.environ else ["test_*"]
