"""docs/operations.md and docs/consistency.md against the code: variables and defaults, metrics, keys; both ways."""

from __future__ import annotations

import ast
import inspect
import re
from uuid import UUID

import pytest
from prometheus_client.metrics import MetricWrapperBase

from deploy import check, options
from synckairos import errors
from synckairos.conf import conf
from synckairos.ops import heartbeats
from synckairos.ratelimit import policies
from synckairos.redis import keys
from synckairos.telemetry import metrics
from tests.contracts.test_architecture import ROOMS
from tests.markdown import ROOT, codes, rows, section, text_of

VARIABLES = section("docs/operations.md", "Environment variables")
MADE_HERE = {
    "SYNCKAIROS_DATA_DIR": "./var",
    "REDIS_URL": "embedded, in the data directory",
    "DATABASE_URL": "SQLite, in the data directory",
    "SYNCKAIROS_BROKER_URL": "REDIS_URL",
    "SYNCKAIROS_SECRET_KEY": "made once, in the data directory",
    "SYNCKAIROS_SIGNING_KEYS": "made once, in the data directory",
    "SYNCKAIROS_CHECKPOINT_DIR": "checkpoints in the data directory",
    "WEB_WORKERS": "cores, at most 4",
    "HOST": "127.0.0.1",
    heartbeats.DIRECTORY_VARIABLE: (
        "among the temporary files, one for each data directory; make up: run in the data directory"
    ),
}
"""Defaults that are worked out, in words."""
OTHERS = {"PROMETHEUS_MULTIPROC_DIR": "none", heartbeats.DIRECTORY_VARIABLE: ""}
"""Read elsewhere: by a library, and by processes that Django is too slow for."""
OF_TESTS = {"TEST_REDIS_URL", "TEST_DATABASE_URL"}


def documented():
    """Each variable with its default, as the tables have it."""
    return {name: row[1] for row in rows(VARIABLES) for name in codes(row[0]) if name.isupper()}


def constant(node):
    """A default's value: what Python says; of one that differs in production, both."""
    if isinstance(node, ast.IfExp):
        return {"in production": constant(node.body), "else": constant(node.orelse)}
    return eval(compile(ast.Expression(node), "default", "eval"), vars(options.environment))  # noqa: S307 - our own


def calls(path):
    """Every `_env.kind("NAME", default)` of a module: name and default; None is one without."""
    for node in ast.walk(ast.parse(path.read_text())):
        if not (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and isinstance(node.func.value, ast.Name)
        ):
            continue
        name = node.args[0].value if node.args and isinstance(node.args[0], ast.Constant) else ""
        if node.func.value.id in {"_env", "env"} and str(name).isupper():
            yield name, node.args[1] if len(node.args) > 1 else None


def in_code():
    found: dict[str, ast.expr | None] = {}
    for path in (ROOT / "config/environment.py", ROOT / "deploy/options.py"):
        for name, default in calls(path):
            found[name] = found.get(name) or default
    return found


NAMED_BY_ITS_PARTS = {f"SYNCKAIROS_IDP_{name}" for name in ("ISSUER", "AUDIENCE", "JWKS_URL")} | {
    "SYNCKAIROS_SIGNING_KEYS"
}


def test_every_variable_is_documented_and_every_documented_one_is_read():
    read = set(in_code()) | set(policies.SETTINGS) | NAMED_BY_ITS_PARTS | set(OTHERS)
    assert set(documented()) == read
    assert set(codes(VARIABLES)) >= OF_TESTS


@pytest.mark.parametrize("name", sorted(documented()))
def test_a_documented_default_is_the_one_that_holds(name):
    told = documented()[name]
    if name in MADE_HERE:
        assert told.replace("`", "") == MADE_HERE[name]
    elif name in policies.SETTINGS:
        assert told == f"`{policies.SETTINGS[name]}`"
    elif name in OTHERS or name in NAMED_BY_ITS_PARTS:
        assert told == "none"
    else:
        default = constant(in_code()[name])
        if isinstance(default, dict):
            parts = dict(re.findall(r"(in production|else) (`[^`]*`)", told))
            assert all(is_told(parts[when], value) for when, value in default.items()), told
        else:
            assert is_told(told, default), told


def is_told(told, default):
    """Whether a default's text, which comes first in its cell, is a value."""
    literal = re.match(r"`([^`]*)`", told)
    if default in ("", None, []):
        return told.startswith("none")
    if isinstance(default, int | float):  # 0 and 1 for no and yes
        return literal is not None and float(literal[1]) == default
    return literal is not None and literal[1] == str(default)


def test_no_module_reads_a_variable_that_is_not_documented():
    known = set(documented()) | OF_TESTS
    for room in (*ROOMS, "deploy"):
        for path in set((ROOT / room).rglob("*.py")) - {ROOT / "deploy/check.py"}:  # which tries wrong ones
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Constant) and re.fullmatch(
                    r"(SYNCKAIROS|RATE_LIMIT)_[A-Z_]+[A-Z]", str(node.value)
                ):
                    assert node.value in known | {errors.RateLimitExceeded.code}, path


def test_what_production_asks_for_is_marked_so_and_counted_right():
    marked = {name for row in rows(VARIABLES) if "*required in production*" in row[-1] for name in codes(row[0])}
    assert marked == set(check.REQUIRED)
    words = {6: "six", 7: "seven", 8: "eight"}
    assert f"the {words[len(marked)]} variables marked above" in " ".join(text_of("docs/operations.md").split())
    assert set(codes(text_of("deploy/README.md"))) >= marked


def test_every_variable_that_another_document_names_exists():
    known = set(documented()) | OF_TESTS | {errors.RateLimitExceeded.code}
    for path in (*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), ROOT / "deploy/README.md"):
        for name in re.findall(r"\b(?:SYNCKAIROS|RATE_LIMIT)_[A-Z_]+\b", path.read_text()):
            assert name in known or any(one.startswith(name) for one in known if name.endswith("_")), (path, name)


def our_metrics():
    """Names as `/metrics` has them, with their labels."""
    found = {}
    for metric in vars(metrics).values():
        if isinstance(metric, metrics.ScrapedGauge):
            found[metric.name] = set(metric.labels)
        elif isinstance(metric, MetricWrapperBase):
            (described,) = metric.describe()
            found[described.name + ("_total" if described.type == "counter" else "")] = set(metric._labelnames)
    return found


def told_metrics():
    table = rows(section("docs/operations.md", "Metrics"))
    cells = [code for row in table for code in codes(row[0])]
    return {cell.partition("{")[0]: set(filter(None, cell.partition("{")[2].rstrip("}").split(","))) for cell in cells}


def test_every_metric_is_documented_with_its_labels_and_every_documented_one_exists():
    assert told_metrics() == our_metrics()


NO_METRICS = {"synckairos_token", "synckairos_client", "synckairos_event", "synckairos_retention"}
"""Names of other things that documents mention."""


def test_every_metric_that_any_document_names_exists():
    known = our_metrics()
    for path in (ROOT / "docs").glob("*.md"):
        for name in re.findall(r"\bsynckairos_[a-z_]+\b", path.read_text()):
            stem = re.sub(r"_(bucket|sum|count)$", "", name)
            assert stem in known or name in NO_METRICS, (path, name)


SESSION = UUID(int=7)


def in_general(key):
    """A key of ours, as the table has it."""
    return re.sub(
        r"\b[0-9a-f]{24,64}\b",
        "<digest>",
        key.replace(str(SESSION), "<session>")
        .replace(f"{{{keys.shard_of(SESSION)}}}", "{shard}")
        .replace(":scope:", ":<scope>:"),
    )


def our_keys():
    given = {"session_id": SESSION, "shard": keys.shard_of(SESSION), "scope": "scope", "times": "<n>"}
    found = set()
    for name, function in inspect.getmembers(keys, callable):
        if function.__module__ != keys.__name__ or name.startswith("_") or function.__doc__ is None:
            continue
        if re.match(r"(String|List|Hash|Sorted set|Stream|Lock|Channel)\b", function.__doc__):
            arguments = [given.get(name, name) for name in inspect.signature(function).parameters]
            found.add(in_general(function(*arguments)))
    return found


def test_every_key_is_documented_and_every_documented_one_exists():
    table = {code for row in rows(section("docs/consistency.md", "Keys")) for code in codes(row[0])}
    assert conf().shards == 1
    assert {key.replace("{0}", "{shard}") for key in table} == our_keys() | OF_LIBRARIES


OF_LIBRARIES = {"sk-cache:…", "sk-celery:…", in_general(keys.group_channel(SESSION))}
