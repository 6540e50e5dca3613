"""Text from strangers, made harmless to show.

A hint may hold an error's message, and so whatever its author wants: a character that turns the reading
direction, one that moves the cursor, a megabyte in one line. Such characters are drawn, not obeyed.
"""

import re
import unicodedata

LONGEST = 400  # characters of a hint, a note, a line of code
SAFE_SPACES = " \u00a0"


def visible(text: str, longest: int = LONGEST) -> str:
    """The text in one line, its invisible characters drawn, its end cut off where it is too long.

    Examples
    --------
    >>> visible("a\\tb\\n"), visible("abc\\u202edef"), visible("0123456789", longest=4)
    ('a␉b␊', 'abc⟨U+202E⟩def', '0123…')
    """
    cut = text[:longest] + "…" if len(text) > longest else text
    return re.sub(r"[^\x20-\x7e]", lambda match: _drawn(match[0]), _few_marks(cut))


def plain(heading: str) -> str:
    """A heading without the marks of its markup.

    Examples
    --------
    >>> plain("3 · Predict $v$ *again*")
    '3 · Predict v again'
    """
    return re.sub(r"[$`*\\{}]", "", heading)


def code_lines(code: str) -> list[str]:
    """The lines of a cell as they are, counted as Python counts them.

    Examples
    --------
    >>> code_lines("if x:\\r\\n\\ty")
    ['if x:', '    y']
    """
    lines = re.split(r"\r\n|\r|\n", code.expandtabs(4))
    while len(lines) > 1 and not lines[-1].strip():
        lines.pop()
    return lines


def _drawn(character: str) -> str:
    number = ord(character)
    if number < 0x20:
        return chr(0x2400 + number)
    if number == 0x7F:
        return "␡"
    # Cc control, Cf format (directions, zero widths), Co private, Cn unassigned, Cs surrogate, Z* separators.
    if character not in SAFE_SPACES and unicodedata.category(character) in {"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"}:
        return f"⟨U+{number:04X}⟩"
    return character


def _few_marks(text: str) -> str:
    """At most three combining marks in a row; a tower of them covers the lines above."""
    if text.isascii():
        return text
    kept, marks = [], 0
    for character in text:
        marks = marks + 1 if unicodedata.category(character) in {"Mn", "Me"} else 0
        if marks <= 3:
            kept.append(character)
    return "".join(kept)
