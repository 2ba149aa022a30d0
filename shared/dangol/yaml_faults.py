"""What a YAML reader's complaint means, and how to mend it."""

import re

from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.reader import ReaderError

Told = tuple[int, int, str, str, str]  # line and column from 0, code, message, hint

_QUOTE = "quote the value"


def explain(error: MarkedYAMLError | ReaderError, text: str) -> Told:
    """A syntax error in our words: line, column (from 0), code, message, hint."""
    if isinstance(error, ReaderError):
        return _control_character(error, text)
    mark = error.problem_mark or error.context_mark
    if mark is None:
        return 0, 0, "bad_yaml", str(error.problem), ""
    row = text.split("\n")[mark.line] if text else ""
    problem, context = str(error.problem), str(error.context or "")
    if "'\\t'" in problem or "\t" in row[: mark.column + 1]:
        return mark.line, row.find("\t"), "tab", "a tab stands where YAML wants spaces", "indent with spaces"
    if (swallowed := _swallowed_by_a_comment(problem, text, mark.line)) is not None:
        return swallowed
    for matched in (_swallowed, _second_colon, _unclosed, _strange_start, _after_a_quote, _indentation):
        if told := matched(problem, context, row, mark.column):
            line, column = mark.line, mark.column
            if told[0] in ("unclosed", "missing_comma") and error.context_mark is not None:
                line, column = error.context_mark.line, error.context_mark.column
            return (line, column, *told)
    return mark.line, mark.column, "bad_yaml", f"this is not YAML: {problem}", ""


Words = tuple[str, str, str] | None


def _second_colon(problem: str, context: str, row: str, column: int) -> Words:
    if not problem.startswith("mapping values are not allowed"):
        return None
    if re.search(r":\s", row[:column]):
        return "colon", "a second `: ` in one value", f"{_QUOTE}, or give the field a line of its own"
    return (
        "indentation",
        "this line is indented deeper than the value above it allows",
        "align it with the fields beside it",
    )


def _unclosed(problem: str, context: str, row: str, column: int) -> Words:
    if "quoted scalar" in context and "end of stream" in problem:
        return "unclosed", "the quote opened here is never closed", "close it"
    if "unknown escape character" in problem:
        sign = problem.rsplit("'", 2)[1] if "'" in problem else ""
        return "escape", f"\\{sign} means nothing between double quotes", "use single quotes: '…'"
    if "flow" not in context or not problem.startswith("expected ','"):
        return None
    opened = "{" if "mapping" in context else "["
    if "<stream end>" in problem or "<block" in problem or "<document" in problem:
        return "unclosed", f"the {opened} opened here is never closed", "close it"
    hint = "quote a value that has , : [ ] { } in it, or give each field a line of its own"
    return "missing_comma", f"after the {opened} here something is not parted by a comma, or it is never closed", hint


def _swallowed(problem: str, context: str, row: str, column: int) -> Words:
    if found := re.search(r"(?:^|[\s\[{,])(!\S+?)[}\],]*$", row[: column + 1]):
        return "tag", f"{found.group(1)} is read as a YAML tag, and would be lost", f'quote it: "{found.group(1)}"'
    return None


def _strange_start(problem: str, context: str, row: str, column: int) -> Words:
    if found := re.search(r"found character '(.)' that cannot start", problem):
        return "sign", f"a value cannot begin with {found.group(1)}", f'{_QUOTE}: "{found.group(1)}…"'
    if found := re.search(r"undefined alias '(.*)'", problem):
        return (
            "anchor",
            f"*{found.group(1)} is YAML's reference to an anchor, which is not read here",
            "quote a value that begins with & or *",
        )
    return None


def _after_a_quote(problem: str, context: str, row: str, column: int) -> Words:
    if "found '<scalar>'" in problem and re.search(r"[\"']\s*$", row[:column]):
        return "after_quote", "text follows the closing quote", "put the whole value between the quotes"
    return None


def _swallowed_by_a_comment(problem: str, text: str, line: int) -> Told | None:
    """`{to: #vip}` ends nowhere: all after the # was taken for a comment."""
    if "<stream end>" not in problem and "got ':'" not in problem:
        return None
    rows = text.split("\n")[: line + 1]
    for row in range(len(rows) - 1, -1, -1):
        if found := re.search(r"[:,]\s+(#[^\s#][^,}\]\s]*)", rows[row]):
            said = found.group(1)
            return (
                row,
                found.start(1),
                "comment",
                f"{said} is read as a comment, and would be lost",
                f'quote it: "{said}"',
            )
    return None


def _indentation(problem: str, context: str, row: str, column: int) -> Words:
    if "found '-'" in problem:
        return "indentation", "a list item stands among fields", "indent it under the field it belongs to"
    if "found '?'" in problem or "found '<block mapping start>'" in problem:
        return "indentation", "this line's indentation fits nothing above it", "align it with the fields it belongs to"
    if "could not find expected ':'" in problem:
        return "no_colon", "a line without `field: value`", "give the field a value, or indent the text under a `|`"
    if "<block end>" in problem:
        return (
            "indentation",
            "this does not belong where it stands",
            "look at its indentation, and at a bracket or quote too many",
        )
    return None


def _control_character(error: ReaderError, text: str) -> Told:
    at = error.position if isinstance(error.position, int) else 0
    line = text.count("\n", 0, at)
    column = at - (text.rfind("\n", 0, at) + 1)
    return line, column, "control_character", "a control character, which text cannot hold", "delete it"
