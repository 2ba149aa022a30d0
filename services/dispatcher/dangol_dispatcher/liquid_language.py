"""The language of templates: Liquid with limits, strict about what is missing, nothing of the machine in reach."""

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, TextIO

from liquid import BoundTemplate, Environment, RenderContext
from liquid.builtin.expressions import Literal
from liquid.builtin.output import Output, OutputNode
from liquid.builtin.tags.cycle_tag import CycleNode, CycleTag
from liquid.builtin.tags.echo_tag import EchoNode, EchoTag
from liquid.builtin.tags.ifchanged_tag import IfChangedNode, IfChangedTag
from liquid.exceptions import LiquidError, ResourceLimitError, UndefinedError
from liquid.stringify import to_liquid_string
from liquid.undefined import StrictDefaultUndefined

from dangol.decisions import Reason
from dangol_dispatcher.filters import FILTERS
from dangol_dispatcher.marks import FIRST, Marked, Marks

LOOPS = 10_000  # iterations a rendering
OUTPUT = 256 * 1024  # bytes
# A template reaches what it is given and no more: no files, no way round escaping.
BARRED_TAGS = ("include", "render", "tablerow")
BARRED_FILTERS = ("safe",)


class TemplateProblem(Exception):
    """Cannot be said to this person: `reason` is a `Reason`, `detail` names the variable or the mistake."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason, self.detail = reason, detail


class NotThere(StrictDefaultUndefined):
    """A value that is not there: false in an `if`, replaced by `default`, and an error where it would be printed."""

    __slots__ = ()
    allowed_properties = StrictDefaultUndefined.allowed_properties | {
        "__bool__", "__eq__", "__class__", "__liquid__", "poke"
    }  # fmt: skip

    def __bool__(self) -> bool:
        return False

    def __eq__(self, other: object) -> bool:
        return other is None or isinstance(other, NotThere)

    def __hash__(self) -> int:
        return hash(self.name)

    def __liquid__(self) -> object:
        return None


class _ValueNode(OutputNode):
    """`{{ … }}` or `{% echo … %}`, whose value is marked where marks are asked for."""

    __slots__ = ()

    def render_to_output(self, context: RenderContext, buffer: TextIO) -> int:
        value = to_liquid_string(self.expression.evaluate(context), context.autoescape)
        return buffer.put(str(value)) if isinstance(buffer, Marks) else buffer.write(value)


class _Value(Output):
    node_class = _ValueNode


class _EchoNode(_ValueNode, EchoNode):
    __slots__ = ()


class _Echo(EchoTag):
    node_class = _EchoNode


class _CycleNode(CycleNode):
    """`{% cycle … %}`: written as it is, so nothing with a person's value in it is shared."""

    __slots__ = ()

    def render_to_output(self, context: RenderContext, buffer: TextIO) -> int:
        if isinstance(buffer, Marks) and not all(isinstance(one, Literal) for one in self.args):
            buffer.give_up()
        return super().render_to_output(context, buffer)


class _Cycle(CycleTag):
    node_class = _CycleNode


class _IfChangedNode(IfChangedNode):
    """`{% ifchanged %}`: what is in it is compared before it is written, unmarked."""

    __slots__ = ()

    def render_to_output(self, context: RenderContext, buffer: TextIO) -> int:
        if isinstance(buffer, Marks):
            buffer.give_up()
        return super().render_to_output(context, buffer)


class _IfChanged(IfChangedTag):
    node_class = _IfChangedNode


class _Limited(Environment):
    block_nesting_limit = 30
    context_depth_limit = 30
    loop_iteration_limit = LOOPS
    local_namespace_limit = OUTPUT
    output_stream_limit = OUTPUT


def _environment(autoescape: bool) -> Environment:
    made = _Limited(undefined=NotThere, strict_filters=True, autoescape=autoescape)
    for tag in (_Value, _Echo, _Cycle, _IfChanged):
        made.add_tag(tag)
    for name in BARRED_TAGS:
        made.tags.pop(name, None)
    for name in BARRED_FILTERS:
        made.filters.pop(name, None)
    for name, function in FILTERS.items():
        made.add_filter(name, function)
    made.filters = {name: _bounded(name, function) for name, function in made.filters.items()}
    return made


def _bounded(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """The same filter, refusing to start on, or to hand on, more than the limits allow."""

    def bounded(value: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(value, Sequence) and not isinstance(value, str) and len(value) > LOOPS:
            raise ResourceLimitError("a list is too long for a filter", token=None)
        if _grows_to(name, value, args) > OUTPUT:
            raise ResourceLimitError("a filter's result is too long", token=None)
        result = function(value, *args, **kwargs)
        if isinstance(result, str) and len(result) > OUTPUT:
            raise ResourceLimitError("a filter's result is too long", token=None)
        return result

    for mark in ("with_context", "with_environment"):
        if getattr(function, mark, False):
            setattr(bounded, mark, True)
    return bounded


def _grows_to(name: str, value: Any, args: tuple[Any, ...]) -> int:
    """How long the result of the two filters that multiply can be, at most."""
    if name == "replace" and len(args) > 1:
        text, seek, put = str(value), str(args[0]), str(args[1])
        return (text.count(seek) if seek else len(text) + 1) * len(put) + len(text)
    if name == "join" and isinstance(value, Sequence) and not isinstance(value, str):
        between = len(str(args[0])) if args else 1
        return sum(len(str(item)) + between for item in value)
    return 0


TEXT = _environment(autoescape=False)
HTML = _environment(autoescape=True)


@lru_cache(maxsize=512)  # the texts of a journey's webhook step are read with each message
def parse(source: str, *, html: bool = False) -> BoundTemplate:
    """The compiled template; raises `liquid.exceptions.LiquidError` with its place."""
    return (HTML if html else TEXT).from_string(source)


def known_filters() -> frozenset[str]:
    """The names of all filters a template may use."""
    return frozenset(TEXT.filters)


def say(template: BoundTemplate, values: Mapping[str, Any]) -> str:
    """The text, with the values put in once and never read again as Liquid; raises `TemplateProblem`."""
    with _as_problem():
        return template.render(**values)


def mark(template: BoundTemplate, values: Mapping[str, Any], first: int = FIRST) -> Marked:
    """As `say`, with marks from `first` on in the place of plain values."""
    marks = Marks(OUTPUT, first)
    with _as_problem():
        template.render_with_context(_context(template, values), marks)
    return marks.said() or Marked.of(say(template, values))


def value_of(template: BoundTemplate, values: Mapping[str, Any]) -> Any:
    """As `say`; but a template that is one `{{ … }}` and nothing else gives the value itself, a number as a number."""
    nodes = template.nodes
    if len(nodes) != 1 or not isinstance(nodes[0], OutputNode):
        return say(template, values)
    context = _context(template, values)
    with _as_problem():
        value = nodes[0].expression.evaluate(context)
    if isinstance(value, NotThere):
        raise TemplateProblem(Reason.MISSING_VALUE, str(value.msg).removesuffix(" is undefined").strip("'\""))
    return value


def _context(template: BoundTemplate, values: Mapping[str, Any]) -> RenderContext:
    return template.context_class(template, globals=template.make_globals(dict(values)))


@contextmanager
def _as_problem() -> Generator[None]:
    """Whatever Liquid and its filters raise, as `TemplateProblem`."""
    try:
        yield
    except UndefinedError as error:
        raise TemplateProblem(Reason.MISSING_VALUE, _name_of(error)) from error
    except LiquidError as error:
        raise TemplateProblem(Reason.TEMPLATE_ERROR, str(error.message)) from error
    except (ArithmeticError, LookupError, RecursionError, TypeError, ValueError) as error:
        raise TemplateProblem(Reason.TEMPLATE_ERROR, str(error) or type(error).__name__) from error


def _name_of(error: UndefinedError) -> str:
    return str(error.message).removesuffix(" is undefined").strip("'\"")
