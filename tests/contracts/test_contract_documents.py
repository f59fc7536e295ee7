"""What the documents say, against the code: links, commands, targets, versions."""

from __future__ import annotations

import re
import tomllib
from urllib.parse import unquote

import pytest
from celery.bin.celery import celery
from django.conf import settings
from django.core.management import get_commands, load_command_class

from deploy import commands
from sessions.apidocs.asyncapi import document as asyncapi
from synckairos import version
from tests.markdown import DOCUMENTS, ROOT, anchors, blocks, codes, links, section, text_of
from timesync import views as time_views

ALL = {path: path.read_text() for path in DOCUMENTS}
NAMES = [str(path.relative_to(ROOT)) for path in DOCUMENTS]
OURS = {name for name, app in get_commands().items() if app in {"sync_sessions", "sessions", "audit", "timesync"}}
OUTSIDE = ("http://", "https://", "mailto:")


@pytest.mark.parametrize("name", NAMES)
def test_every_link_leads_somewhere(name):
    path = ROOT / name
    for link in links(path):
        if link.startswith(OUTSIDE):
            continue
        target, _, anchor = unquote(link).partition("#")
        led = (path.parent / target).resolve() if target else path
        assert led.exists(), link
        if anchor:
            assert anchor in anchors(led), link


def written(text):
    """Commands in backticks and lines of blocks."""
    lines = [line for block in blocks(text) for line in block.replace("\\\n", " ").splitlines()]
    return codes(text) + lines


def managed(text):
    """What is written of `manage.py`: the command and its options, without the values."""
    for line in written(text):
        for found in re.finditer(r"manage\.py ([a-z_]+)([^|)`;&]*)", line):
            yield found[1], re.findall(r"(?<![\w-])(--[a-z][a-z-]*)", found[2])


@pytest.mark.parametrize("name", NAMES)
def test_every_management_command_in_a_document_exists_with_its_options(name):
    for command, options in managed(ALL[ROOT / name]):
        assert command in get_commands(), command
        if options:
            parser = load_command_class(get_commands()[command], command).create_parser("manage.py", command)
            assert set(options) <= set(parser._option_string_actions), (command, options)


def test_every_command_of_ours_is_in_a_document():
    said = {command for text in ALL.values() for command, _ in managed(text)}
    assert OURS
    assert said >= OURS


TARGETS = set(re.findall(r"^([a-z]+):", text_of("Makefile"), re.MULTILINE))


def made(text):
    """The targets of what is written of make."""
    return [
        target for line in written(text) for target in re.findall(r"(?:^|[;&] *|[A-Z_]+=\S+ )make ([a-z]+)\b", line)
    ]


@pytest.mark.parametrize("name", NAMES)
def test_every_make_target_in_a_document_exists(name):
    assert set(made(ALL[ROOT / name])) <= TARGETS


def test_every_make_target_is_in_a_document():
    assert {target for text in ALL.values() for target in made(text)} >= TARGETS


def of_celery(text):
    """The command lines of worker and beat, without where beat keeps its notes."""
    for line in written(text):
        found = re.search(r"celery -A config\.celery .*?\b(worker|beat)\b.*", line)
        if found:
            yield found[1], re.sub(r"(--schedule[= ])\S+", r"\1…", found[0]).split()


def test_worker_and_beat_have_one_command_line_in_all_documents_and_it_is_that_of_make_up():
    said = [told for text in ALL.values() for told in of_celery(text)]
    assert len(said) >= 6
    for kind, line in said:
        ours = commands.worker() if kind == "worker" else commands.beat(ROOT)
        assert line[:3] == ["celery", "-A", "config.celery"]
        begins = ours.index("config.celery") + 1
        wanted = [*ours[begins:-1], "…"] if kind == "beat" else ours[begins:]
        assert line[3:] == wanted


@pytest.mark.parametrize("kind", ["worker", "beat"])
def test_celery_takes_these_options(kind):
    line = commands.worker() if kind == "worker" else commands.beat(ROOT)
    given = line[line.index(kind) + 1 :]
    context = celery.commands[kind].make_context(kind, given, resilient_parsing=True)
    assert not context.args


@pytest.mark.parametrize("name", NAMES)
def test_every_path_in_backticks_exists(name):
    """A room, a file with its ending, a folder."""
    for code in codes(ALL[ROOT / name]):
        if re.fullmatch(
            r"(config|sessions|timesync|audit|synckairos|tests|deploy|benchmarks|docs|requirements)/[\w./-]+", code
        ):
            found = [*ROOT.glob(code.rstrip("/")), *ROOT.glob(code.partition("::")[0])]
            assert found, code


def test_versions_are_what_the_documents_say_they_are():
    project = tomllib.loads(text_of("pyproject.toml"))["project"]
    assert project["version"] == version.PRODUCT
    assert settings.SPECTACULAR_SETTINGS["VERSION"] == asyncapi()["info"]["version"] == version.PROTOCOL
    assert time_views.SERVER_VERSION == version.PROTOCOL == "2.0.0"  # clients of SyncKairos 2 read it
    for name in ("CHANGELOG.md", "docs/protocol.md"):
        told = " ".join(text_of(name).split())
        assert f"The protocol's version is {version.PROTOCOL}" in told, name
        assert version.PRODUCT in told, name


def test_what_is_not_there_yet_is_told_in_one_place():
    assert section("README.md", "Not there yet").count("* ") >= 1
    assert links(ROOT / "docs/protocol.md").count("../README.md#not-there-yet") == 1
    assert "rights" not in section("docs/protocol.md", "Not there yet")


def test_the_glossary_has_one_meaning_for_each_term():
    product, _, _ = (ROOT / "docs" / "glossary.md").read_text().partition("## Words to avoid")
    terms = [
        term.strip() for row in re.findall(r"^\| ([^|]+) \| [^|]", product, re.MULTILINE) for term in row.split(",")
    ]
    terms = [term for term in terms if term not in {"Term", "---"}]
    assert len(terms) > 80
    assert len(set(terms)) == len(terms)
