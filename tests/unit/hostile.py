"""Text as an enemy, or a bad day, writes it: what means something to a shell, to ssh, YAML, HTML, a path."""

from hypothesis import strategies as st

SIGNS = (
    "'", '"', "\\", "`id`", "$(id)", "${HOME}", "$HOME", ";", "|", "&", "\n", "\r", "\t", " ", "*", "~", "#",
    "%", "%%", "%h", "%{", "-oProxyCommand=id", "--", "{{ 7*7 }}", "{% raw %}", "{#", "!unsafe", ": ", "- ",
    "null", "<script>", "</pre>", "]]>", "&amp;", "../", "/", ".", "\x00", "\x1b[2J", "\x07", "\x85",
    "\u2028", "\u202e", "\ufeff", "\ud800", "é", "漢", "😀", "\nHost *\n  ProxyCommand id\n", "=", "[x]",
)  # fmt: skip


def _is_sound(letter: str) -> bool:
    return letter != "\x00" and not "\ud800" <= letter <= "\udfff"


LETTERS = st.text(st.characters(codec="ascii", categories=["L", "N"]), max_size=4)

text = st.lists(st.one_of(st.sampled_from(SIGNS), LETTERS, st.text(max_size=3)), max_size=8).map("".join)
# what an operating system can hold in an argument or a file name
os_text = text.map(lambda words: "".join(filter(_is_sound, words)))


def json_of(words: st.SearchStrategy[str]) -> st.SearchStrategy[object]:
    """Return any JSON value with these texts in it."""
    return st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | words,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
        max_leaves=6,
    )


json_value = json_of(text)
name = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", fullmatch=True)
