"""The one form in which a failed check speaks."""


def wanted(want: object, found: object) -> str:
    """Give ``want …, is …`` for two values as a person writes them."""
    return f"want {_text(want)}, is {_text(found)}"


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, (list, tuple, set, frozenset)):
        return " ".join(str(item) for item in value) or "none"
    return "none" if value is None or value == "" else str(value)
