"""Colours, characters and the safety of what is shown."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provision.errors import UsageError
from provision.hints import Command
from provision.model import Failure
from provision.report.console import is_live, page_for
from provision.report.failures import error_text
from provision.report.layout import Page, clean, clean_lines, duration


class Terminal(io.TextIOWrapper):
    def __init__(self, encoding: str = "utf-8") -> None:
        super().__init__(io.BytesIO(), encoding=encoding)

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("choice", "environ", "colour"),
    [
        ("auto", {"TERM": "xterm"}, True),
        ("auto", {"TERM": "xterm", "NO_COLOR": "1"}, False),
        ("auto", {"TERM": "xterm", "NO_COLOR": ""}, True),
        ("auto", {"TERM": "dumb"}, False),
        ("auto", {}, False),
        ("always", {"TERM": "dumb", "NO_COLOR": "1"}, True),
        ("never", {"TERM": "xterm"}, False),
    ],
)
def test_colour_on_a_terminal(choice, environ, colour):
    assert page_for(Terminal(), choice, environ).colour is colour


def test_no_colour_and_no_redrawing_without_a_terminal():
    assert page_for(io.StringIO(), "auto", {"TERM": "xterm"}).colour is False
    assert not is_live(io.StringIO(), {"TERM": "xterm"})


def test_an_unknown_colour_choice_names_the_known_ones():
    with pytest.raises(UsageError) as caught:
        page_for(Terminal(), "sometimes", {})
    assert "auto, always, never" in caught.value.failure.hint


@pytest.mark.parametrize(("encoding", "ascii_only"), [("utf-8", False), ("ascii", True), ("latin-1", True)])
def test_characters_fall_back_where_the_stream_cannot_hold_them(encoding, ascii_only):
    assert page_for(Terminal(encoding), "auto", {}).ascii is ascii_only


@given(st.text())
def test_cleaned_text_is_one_printable_line(text):
    assert clean(text).isprintable()
    assert clean(clean(text)) == clean(text)


@given(st.text(), st.integers(20, 200))
def test_an_ascii_page_shows_any_text_in_ascii(text, width):
    assert Page(width, ascii=True).plain(text).isascii()


def test_what_is_hidden_or_acts_is_written_out():
    assert clean("a\x1b[1mb\u202ec\td\xa0e") == r"a\x1b[1mb\u202ec d e"
    assert clean("grün → 漢 😀") == "grün → 漢 😀"
    assert clean_lines("one\r\ntwo\rthree\n") == "one\ntwo\\rthree\n"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "0.0 s"), (4.2, "4.2 s"), (9.96, "10 s"), (59.6, "1 m 00 s"), (151, "2 m 31 s"), (3725, "1 h 02 m")],
)
def test_durations_are_said_as_a_person_does(seconds, said):
    assert duration(seconds) == said


def test_an_error_without_a_host_ends_with_what_to_type():
    failure = Failure(
        "nothing-selected",
        "no host matches 'webx'",
        (Command("hosts.list"),),
        evidence="there are: web1 web2",
    )
    assert error_text(failure) == (
        "Error  no host matches 'webx'\n       there are: web1 web2\nNext   fab hosts.list\n"
    )


def test_an_error_is_shown_without_its_escapes():
    assert "\x1b" not in error_text(Failure("k", "\x1b[2J", ("\x1b[2J",), evidence="\x1b[2J"))
