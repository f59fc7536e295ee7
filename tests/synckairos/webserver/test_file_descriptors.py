"""How many sockets a web process may have open."""

from __future__ import annotations

import resource
import subprocess
import sys

import pytest

from tests.servers import ROOT

ASKED = """
import django, resource, sys
django.setup()
hard = int(sys.argv[1])
resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 256), hard))
from synckairos.webserver import file_descriptors as descriptors
assert descriptors.raise_limit() == hard
print(*resource.getrlimit(resource.RLIMIT_NOFILE))
"""


def raised(hard):
    return subprocess.run(
        [sys.executable, "-c", ASKED, str(hard)], cwd=ROOT, capture_output=True, text=True, check=True, timeout=120
    )


@pytest.mark.parametrize(("hard", "is_few"), [(4_096, False), (512, True)])
def test_a_web_process_takes_all_that_its_hard_limit_allows_and_says_when_that_is_little(hard, is_few):
    hard = min(hard, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    done = raised(hard)
    assert done.stdout.split() == [str(hard), str(hard)]
    assert ("few open files" in done.stderr) is is_few
