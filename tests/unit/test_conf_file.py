"""A redis.conf line by line, as the server reads it. No nodes."""

from __future__ import annotations

from harness.scenario.conf_file import read_conf


def test_each_line_is_one_directive_with_its_number() -> None:
    """Blanks around it, comments and empty lines as the server leaves them out; names in today's spelling."""
    text = '\n  # note\n\tmaxmemory 1gb \r\nSLAVE-PRIORITY 0\nsave 900 1\nsave ""\nsentinel MyID abc\n'
    read = read_conf(text, "f")
    assert [(line.number, str(line.directive)) for line in read.lines] == [
        (3, "maxmemory 1gb"),
        (4, "replica-priority 0"),
        (5, "save 900 1"),
        (6, 'save ""'),
        (7, "sentinel myid abc"),
    ]
    assert read.bad == ()


def test_a_comment_at_a_lines_end_is_an_argument() -> None:
    """As for the server, which refuses it for most directives."""
    (line,) = read_conf("maxmemory 1gb # note\n", "f").lines
    assert line.directive.arguments == ("1gb", "#", "note")


def test_line_that_no_server_reads_is_told_without_its_text() -> None:
    """It may hold a password."""
    read = read_conf("timeout 1\nrequirepass 'hunter2\n9bad x\nsentinel\n", "f")
    assert [one.number for one in read.bad] == [2, 3, 4]
    assert not any("hunter2" in one.why for one in read.bad)
