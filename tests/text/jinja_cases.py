"""Small templates that use, between them, all of Jinja2 and of the Python values behind it, and what
transformers renders them to. They are made from a grammar, and are the same each time.

Templates whose rendering shows an address are left out, and so is what would keep Python busy for
hours (huge powers and repetitions)."""

import copy
import itertools
import random
import re

from stopped_clock import stop_the_clock

# Values that a template is given as variables, as JSON has them.
VARIABLES = {
    "nil": None, "yes": True, "no": False, "zero": 0, "one": 1, "minus": -7, "many": 300, "big": 2**70,
    "low": -(2**65), "void": 0.0, "half": 2.5, "huge": 1e+22, "tiny": -0.125, "nan": float("nan"),
    "inf": float("inf"), "empty": "", "hello": "Hello World", "word": "abc", "uni": "ÄÖ ß ǆΣ 東京 😀",
    "html": '<b class=\'x\'>&amp; "y"</b>', "number": "42", "spaced": " 3.75\t", "hexed": "0x1F",
    "lines": "one two\n\n\tthree\r\nfour  five", "percent": "%s|%5d%%", "braces": "{0!r:>6}{a}{{}}",
    "links": "(see http://example.com/a_(b)?x=1, www.x.org. or me@x.com) <https://[::1]:80/>",
    "prose": (
        "The quick brown-fox, well-known -- or not--jumped over the lazy dog's back at 12-34 o'clock; "
        "supercalifragilistic-expialidocious words."
    ),
    "nothing": [], "numbers": [3, 1, 2, 1], "texts": ["b", "A", "c", "a", "B"], "mixed": [1, "a", None],
    "floats": [0.5, 2, True, -1],
    "rows": [
        {"n": "x", "v": 2, "w": {"z": [1]}},
        {"n": "Y", "v": 1},
        {"n": "X", "v": None, "w": {"z": [0]}},
    ],
    "nested": [[1, 2], [0], [1, 0]], "blank": {}, "map": {"b": 1, "a": 2, "C": 3},
    "deep": {"x": {"y": [10, 20]}, "k": None, "items": 5, "ä": "é"},
    "long": {
        "role": "user",
        "content": ["some text that is rather long " * 3, {"type": "image", "url": "x" * 60}],
        "n": list(range(30)),
    },
}

# Values that a template makes itself.
MADE = [
    "()", "(1,)", "(2, 'b')", "missing", "{1: 'a', none: 2, 2.5: 'c'}", "(html|safe)", "range(4)",
    "range(5, 0, -2)", "map.items()", "map.keys()", "map.values()", "(numbers|map('string'))",
    "(texts|reverse)", "namespace(a=1, b='x')", "(rows|groupby('n'))[0]", "(word|escape)",
]

VALUES = list(VARIABLES) + MADE

# Second operands, of every kind.
OTHERS = [
    "nil", "yes", "zero", "one", "minus", "big", "half", "nan", "empty", "word", "hello", "uni", "percent",
    "nothing", "numbers", "texts", "nested", "map", "blank", "()", "(2, 'b')", "missing", "(html|safe)",
    "range(4)", "map.keys()", "namespace(a=1)",
]

TESTS = [
    "odd", "even", "defined", "undefined", "filter", "test", "none", "boolean", "false", "true", "integer",
    "float", "lower", "upper", "string", "mapping", "number", "sequence", "iterable", "callable", "escaped",
    "unknown", "odd(1)", "divisibleby(2)", "divisibleby(0)", "divisibleby(2.5)", "divisibleby('x')",
    "divisibleby(num=3)", "divisibleby", "sameas(none)", "sameas(true)", "sameas(1)", "sameas(missing)",
    "sameas(word)", "in([1, 'a', none])", "in('Hello World abc')", "in(map)", "in(seq=texts)", "in(5)", "eq(1)",
    "equalto('abc')", "ne(2.5)", "gt(1)", "greaterthan('b')", "ge([1])", "lt(2)", "lessthan('b')", "le(none)",
    "eq", "eq(a=1)",
]

FILTERS = {
    "abs": ["", "(1)"],
    "attr": ["('a')", "('upper')", "('x')", "('__class__')", "('_x')", "(1)", "", "(name='items')"],
    "batch": [
        "(2)|list", "(3, 'f')|list", "(0)|list", "(2, fill_with=none)|list", "('x')|list", "(1.0)|list",
        "|list", "(7, 0)|first",
    ],
    "capitalize": ["", "(1)"],
    "center": ["", "(20)", "(width=5)", "('x')", "(none)", "(-3)", "(2.5)"],
    "count": [""],
    "length": ["", "(1)"],
    "default": ["", "('d')", "('d', true)", "(none, boolean=1)", "(default_value=[1])"],
    "d": ["(1)"],
    "dictsort": [
        "", "(true)", "(false, 'value')", "(by='value', reverse=true)", "(reverse=1)", "(by='x')",
        "(reverse='x')",
    ],
    "e": [""],
    "escape": ["", "|e", "|length", "|upper", "+'<'", "(1)"],
    "forceescape": ["", "|forceescape"],
    "filesizeformat": ["", "(true)", "(binary=false)"],
    "first": ["", "|string"],
    "last": [""],
    "float": ["", "(1)", "('x')", "(default=none)"],
    "format": ["", "(1)", "('a', 2)", "(a=1)", "(1, a=2)", "(2.5, none)"],
    "groupby": [
        "('n')", "('v')", "('n', case_sensitive=true)", "('w.z', default=[])", "(0)", "('v', default=9)",
        "('missing', 'd')", "", "(attribute='n')|map(attribute='list')|list", "('n')|map('first')|list",
    ],
    "indent": [
        "", "(2)", "(2, true)", "(2, true, true)", "('> ', first=true)", "('<'|safe)", "('<'|safe, true, true)",
        "(0)", "(none)", "(-1)", "(width=3, blank=true)",
    ],
    "int": ["", "(7)", "(7, 16)", "(0, 0)", "(base=2)", "(none, 40)", "(default='x', base='y')"],
    "items": ["|list", "(1)"],
    "join": [
        "", "(', ')", "('<', attribute='n')", "(1)", "(none)", "(attribute=0)", "(d='-')", "(', ', 'w.z')",
        "(missing)",
    ],
    "list": ["", "|length"],
    "lower": [""],
    "upper": ["", "(1)"],
    "string": ["", "|length"],
    "map": [
        "('upper')|list", "('int', default=3)|list", "(attribute='n')|list",
        "(attribute='w.z', default='?')|list", "(attribute=0)|list", "()|list", "('unknown')|list",
        "(missing)|list", "(1)|list", "(attribute='n', other=1)|list", "('default', 'x', true)|list",
        "('upper')|join('-')", "('list')|list", "('first')|first", "(attribute='x.y.1')|list", "([])|list",
        "('replace', 'a', 'b')|list", "('map', 'upper')|map('list')|list",
    ],
    "min": ["", "(true)", "(attribute='v')", "(case_sensitive=true, attribute='n')"],
    "max": ["", "(true)", "(attribute='n')", "(attribute=0)"],
    "pprint": ["", "|length"],
    "random": [""],
    "reject": ["|list", "('odd')|list", "('none')|list", "('in', [1, 'a'])|list", "('unknown')|list"],
    "select": [
        "|list", "('even')|list", "('gt', 1)|list", "('string')|list", "('equalto', 'a')|list",
        "(missing)|list", "('defined')|first",
    ],
    "selectattr": [
        "('v')|list", "('n', 'lower')|list", "('v', 'gt', 1)|list", "('w.z')|list", "(0)|list", "|list",
        "('n', 'in', ['x', 'Y'])|map(attribute='v')|list",
    ],
    "rejectattr": ["('v')|list", "('v', 'none')|list", "('n', 'equalto', 'Y')|list"],
    "replace": [
        "('a', 'b')", "('l', 'L', 1)", "('', '-')", "(1, 2)", "(old='o', new='0', count=1)", "('a')",
        "('<', '&lt;'|safe)", "('o', none, none)", "('a', 'b', 'c')",
    ],
    "reverse": ["|list", "|join(',')", "|first"],
    "round": [
        "", "(1)", "(2, 'floor')", "(-1)", "(0, 'ceil')", "(method='ceil')", "(none)", "(1.5)", "(1, 'x')",
        "('a')", "(precision=-2, method='floor')", "(true)",
    ],
    "safe": ["", "|upper", "~'<'", "*2"],
    "slice": ["(2)|list", "(3, 'f')|list", "(0)|list", "(-1)|list", "(2.5)|list", "(slices=4)|list", "|list"],
    "sort": [
        "", "(true)", "(reverse=true, case_sensitive=true)", "(attribute='n')", "(attribute='v')",
        "(attribute='n,v')", "(attribute=1)", "(attribute='w.z.0')", "(case_sensitive=true)", "('x')",
        "(reverse=none)",
    ],
    "striptags": ["", "(1)"],
    "sum": [
        "", "(start=1)", "('v')", "(attribute='v', start=0.5)", "(start=[])", "(start='')", "(attribute=0)",
    ],
    "title": [""],
    "trim": ["", "('H')", "(chars=' d<')", "(none)", "(1)"],
    "truncate": [
        "", "(5)", "(5, true)", "(5, true, '')", "(6, false, '..', 0)", "(length=3, leeway=0)", "(2)",
        "(5, end='<'|safe, leeway=0)", "(4, leeway=-1)", "('x')", "(9.5)",
    ],
    "unique": ["|list", "(true)|list", "(attribute='n')|list", "(attribute='v')|list", "(attribute=0)|list"],
    "urlencode": ["", "(1)"],
    "urlize": [
        "", "(10)", "(nofollow=true)", "(10, true, '_blank', 'x y')", "(extra_schemes=['ftp:'])",
        "(extra_schemes=['f'])", "(target='<')",
    ],
    "wordcount": [""],
    "wordwrap": [
        "", "(10)", "(10, false)", "(width=12, wrapstring='|')", "(10, true, '<br>'|safe)",
        "(9, break_on_hyphens=false)", "(0)", "('x')", "(1)",
    ],
    "xmlattr": ["", "(false)", "(autospace=0)"],
    "tojson": [
        "", "(indent=2)", "(true)", "(indent='\t')", "(indent=0)", "(separators=(',', ':'))",
        "(sort_keys=true)", "(false, 4, ('; ', '= '), true)",
        "(indent=2, separators=(',', ':'), ensure_ascii=true)", "(separators=1)", "(indent=2.5)",
        "(indent=true)", "(other=1)", "(none, none, none, none, none)",
    ],
    "unknown": [""],
}

STR_METHODS = {
    "capitalize": ["()", "(1)"],
    "casefold": ["()"],
    "center": ["(20)", "(15, '*')", "(5, 'ab')", "('x')", "()"],
    "count": ["('o')", "('l', 3)", "('', 1, -1)", "(1)", "('o', none, 5)"],
    "encode": ["()|length"],
    "endswith": ["('d')", "(('d', 'c'))", "('o', 0, 5)", "(1)", "((1,))"],
    "expandtabs": ["()", "(4)", "(tabsize=2)"],
    "find": ["('o')", "('o', 5)", "('x')", "('', 50)", "('o', -4, -1)"],
    "rfind": ["('o')", "('o', 0, 5)"],
    "index": ["('o')", "('x')"],
    "rindex": ["('o')", "('x')"],
    "format": ["(1, a=2)", "('x', a='<')", "()", "(1)", "(**map)", "(*numbers)"],
    "format_map": ["({'0': 1, 'a': 2})", "(map)"],
    "isalnum": ["()"],
    "isalpha": ["()"],
    "isascii": ["()"],
    "isdecimal": ["()"],
    "isdigit": ["()"],
    "isidentifier": ["()"],
    "islower": ["()"],
    "isnumeric": ["()"],
    "isprintable": ["()"],
    "isspace": ["()"],
    "istitle": ["()"],
    "isupper": ["()"],
    "join": [
        "(texts)", "('xyz')", "(numbers)", "(map)", "([])", "(texts|map('upper'))", "(5)", "(['<', html|safe])",
    ],
    "ljust": ["(15)", "(15, '.')"],
    "rjust": ["(15)", "(15, '<')"],
    "lower": ["()"],
    "upper": ["()"],
    "swapcase": ["()"],
    "title": ["()"],
    "lstrip": ["()", "('He ')", "(none)"],
    "rstrip": ["()", "('d>')"],
    "strip": ["()", "('<>b')", "(1)"],
    "partition": ["(' ')", "('x')", "('')", "(1)"],
    "rpartition": ["(' ')", "('x')"],
    "removeprefix": ["('Hello')", "('<b')"],
    "removesuffix": ["('World')", "('')"],
    "replace": ["('o', '0')", "('o', '<', 1)", "('', '-')", "('l', '', -1)", "('a')", "(1, 2)"],
    "rsplit": ["()", "(' ')", "('o', 1)", "(none, 1)", "(maxsplit=1)", "(sep=' ', maxsplit=0)"],
    "split": ["()", "(' ')", "('o', 1)", "(none, 1)", "(maxsplit=1)", "('')", "(1)", "('\n')"],
    "splitlines": ["()", "(true)", "(keepends=true)"],
    "startswith": ["('H')", "(('x', 'a'))", "('l', 2)", "([])"],
    "translate": ["({98: 'X', 111: none})", "({})"],
    "zfill": ["(10)", "('x')"],
    "maketrans": ["('a', 'b')"],
    "unescape": ["()"],
    "striptags": ["()"],
    "nope": ["()"],
    "__len__": ["()"],
    "_x": [""],
}

STR_VALUES = [
    "empty", "hello", "word", "uni", "html", "number", "spaced", "lines", "percent", "braces", "(html|safe)",
    "('ab  cd'|safe)", "'ǅ ﬁ ŉ İ'", "'٣²½Ⅷ'", "'-07'",
]

METHODS = {
    "numbers": [
        "count(1)", "count('x')", "index(2)", "index(9)", "index(1, 2)", "index(1, 0, -2)", "copy()",
        "append(1)", "sort()", "pop()", "nope", "count()", "reverse()", "extend([1])",
    ],
    "mixed": ["count(none)", "index('a')", "index(none)", "count(true)"],
    "(2, 'b')": ["count(2)", "index('b')", "index(1)", "append(1)", "count"],
    "map": [
        "keys()|list", "values()|list", "items()|list", "get('a')", "get('x')", "get('x', 5)", "get()",
        "get([])", "copy()", "pop('a')", "update(x=1)", "setdefault('q', 1)", "fromkeys('ab')",
        "fromkeys([1], 2)", "clear()", "nope", "a", "b", "get(key='a')", "keys()", "items()", "values()",
        "keys()|length", "items()|first", "items()|last", "keys() == ['b']", "keys()[0]", "items() | tojson",
        "popitem()",
    ],
    "deep": [
        "items", "items()", "x.y.0", "x.y[1]", "x.z", "x.z.q", "k.q", "get('x').y", "keys() | sort",
        "values() | list",
    ],
    "one": [
        "bit_length()", "bit_count()", "conjugate()", "real", "imag", "numerator", "denominator",
        "to_bytes(2, 'big')", "as_integer_ratio()", "is_integer()", "nope", "from_bytes",
    ],
    "big": ["bit_length()", "bit_count()", "real", "denominator", "as_integer_ratio()"],
    "minus": ["bit_length()", "bit_count()", "numerator", "imag"],
    "yes": ["real", "bit_length()", "conjugate()", "numerator"],
    "half": [
        "is_integer()", "hex()", "as_integer_ratio()", "real", "imag", "conjugate()", "fromhex('0x1p3')",
        "nope",
    ],
    "tiny": ["as_integer_ratio()", "hex()"],
    "huge": ["is_integer()", "as_integer_ratio()", "hex()"],
    "nan": ["is_integer()", "as_integer_ratio()", "hex()"],
    "inf": ["is_integer()", "hex()"],
    "nil": ["nope", "x.y"],
    "missing": ["x", "x()", "get('a')", "__class__"],
    "range(5, 0, -2)": [
        "start", "stop", "step", "index(3)", "index(2)", "count(3)", "count(2)", "nope", "index('x')",
        "count(3.0)",
    ],
    "namespace(a=1, b='x')": ["a", "b", "c", "_x", "items", "a.b"],
    "cycler(1, 2)": ["current", "next()", "pos", "items", "reset()", "nope"],
    "joiner('-')": ["sep", "used"],
    "dict": ["fromkeys('ab', 1)", "fromkeys([])", "fromkeys()", "nope"],
    "(rows|groupby('n'))[0]": ["grouper", "list", "nope", "count(1)", "index('x')"],
}

GLOBALS = [
    "range()", "range(3)", "range(1, 4)", "range(0, 10, 3)", "range(10, 0, -3)", "range(1, 1)",
    "range(0, 5, 0)", "range('a')", "range(2.0)", "range(none)", "range(missing)", "range(true)", "range(big)",
    "range(100000)|length", "range(100001)", "range(-3)", "range(1, 2, 3, 4)", "range(stop=3)",
    "range(3) == range(0, 3)", "range(0) == range(2, 2)", "range(0, 3, 2) == range(0, 4, 2)",
    "range(3) == [0, 1, 2]", "range(3)[0]", "range(3)[-1]", "range(3)[3]", "range(10)[2:5]", "range(10)[::-1]",
    "range(10)[8:2:-2]", "range(10)[:-3]", "range(10)[20:]", "range(10)[::0]", "range(10)['a']",
    "range(10)[1.0]", "3 in range(5)", "5 in range(5)", "2.0 in range(5)", "'a' in range(5)",
    "none in range(5)", "true in range(2)", "range(4)|reverse|list", "range(4)|last", "range(4)|first",
    "range(4)|list", "range(4)|sum", "range(3) + range(2)", "range(3)|tojson", "range(3) is sequence",
    "range(3) is mapping", "range(3)|length", "range(3)|string", "range(3) < range(4)", "range(3) * 2",
    "range is callable", "range is sameas range", "big in range(3)", "range(3)|join", "not range(0)",
    "range(5, 0, -2)[1:]", "range(1, 10, 4)[::-1]|list", "range(3)|random if false else 1",
    "range(2, 5).index(4)", "dict()", "dict(a=1, b=[2])", "dict(map)", "dict(map, b=5, z=1)",
    "dict([('a', 1), (2, 3)])", "dict(['ab', 'cd'])", "dict(['abc'])", "dict([1])", "dict(5)", "dict(none)",
    "dict(missing)", "dict(map, blank)", "dict([[[], 1]])", "dict(map.items())", "dict is callable",
    "dict|string|length > 0", "dict(a=1) == {'a': 1}", "dict(**map)", "dict({1: 2}, **map)",
    "dict(namespace(a=1))", "dict(range(2))", "dict('')", "dict(rows|groupby('n'))", "namespace()",
    "namespace(a=1)", "namespace(map)", "namespace([('q', 1)])", "namespace(_x=1)", "namespace({'_x': 1})",
    "namespace(self=1)", "namespace(a=1).a", "namespace(a=1)['a']", "namespace(a=1).b", "namespace(a=1)|string",
    "namespace(a=1)|length", "namespace(a=1)|list", "namespace(a=1)|tojson", "namespace(a=1) is mapping",
    "namespace(a=1) is iterable", "namespace(a=1) == namespace(a=1)", "namespace", "namespace is callable",
    "namespace(1)", "namespace({1: 2})", "namespace({1: 2})[1]", "namespace(a=namespace(b='q'))", "cycler()",
    "cycler(1).next()", "cycler", "cycler(1, 2).next(3)", "cycler(a=1)", "cycler('x', 'y') is iterable",
    "joiner", "joiner()()", "joiner(sep='-')()", "joiner(1, 2)", "joiner() is callable", "lipsum",
    "lipsum is callable", "raise_exception('x')", "raise_exception()", "raise_exception(5)",
    "raise_exception is callable", "strftime_now()", "strftime_now(5)", "strftime_now('%Y', 1)",
    "strftime_now(format='%d')", "strftime_now(missing)", "strftime_now(html|safe)", "true", "True", "none",
    "None", "false", "False", "nosuch", "nosuch()", "self", "loop", "caller", "super",
]

# Formats of strftime, those that glibc refuses included.
STRFTIME = [
    "%a", "%A", "%b", "%B", "%c", "%C", "%d", "%D", "%e", "%F", "%g", "%G", "%h", "%H", "%I", "%j", "%k", "%l",
    "%m", "%M", "%n", "%p", "%P", "%r", "%R", "%S", "%t", "%T", "%u", "%U", "%V", "%w", "%W", "%x", "%X", "%y",
    "%Y", "%z", "%Z", "%%", "%f", "%q", "%Q", "%i", "%J", "%K", "%L", "%N", "%o", "%E", "%O", "%+", "%v", "%.",
    "%1", "% ", "%é", "%f", "%-d", "%-m", "%_d", "%_m", "%05d", "%-H", "%-I", "%-j", "%^a", "%^B", "%#b", "%#p",
    "%^p", "%10A", "%010Y", "%-y", "%_H:%-M", "%Ey", "%Od", "%EY", "%OH", "%Ed", "%-e", "%-k", "%-l", "%0e",
    "%_5Y", "%-Y", "%-S", "%-5d", "%_-d", "%d %B %Y", "%A, %d. %b %y at %I:%M%p", "%Y-%m-%dT%H:%M:%S",
    "Today: %d %b %Y", "%", "100%", "%%d", "%%%d", "%-", "%5", "%E", "x%", "", "ü %d 東", "%\n", "%-%", "%5%",
    "%^", "%5n", "%020c", "%20F", "%_20D", "%-D", "%^c", "%#Z", "%-f", "%3f", "%:z", "%Z%z|", "%#a", "%#A",
    "%#B", "%#h", "%^h", "%^P", "%#P", "%5p", "%-5A", "%05A", "%05p", "%3j", "%1j", "%-u", "%3u", "%03w", "%-V",
    "%_U", "%4U", "%-g", "%_G", "%6G", "%_C", "%3C", "%Oy", "%OY", "%Oe", "%OI", "%OM", "%Om", "%OS", "%OU",
    "%OV", "%OW", "%Ow", "%Ou", "%Ob", "%OB", "%Oj", "%Ok", "%Ol", "%Og", "%OG", "%Ec", "%EC", "%Ex", "%EX",
    "%Er", "%ER", "%ED", "%EF", "%OD", "%OC", "%Oh", "%EH", "%Eb", "%Oa", "%On", "%O%", "%E%", "%+d", "%+Y",
    "%+5Y", "%+6Y", "%_+d", "%^10b", "%#10b", "%10p", "%12T", "%012T", "%-12T", "%8R", "%12r", "%010x", "%10X",
]

PERCENTS = [
    "%s", "%r", "%d", "%i", "%5.2f", "%x", "%X", "%#x", "%o", "%#o", "%e", "%E", "%g", "%G", "%c", "%-8s|",
    "%8s|", "%.2s", "%+d", "% d", "%05d", "%a", "%u", "%z", "%", "%.3g", "%#g", "%-5d|", "%(a)s", "%s%s", "%5%",
    "%.0f", "%+.1e", "%F", "%08.3f", "%.10r", "%ld",
]

FORMATS = [
    "{}", "{:>8}", "{:<8}|", "{:^9}|", "{:*^12}", "{:d}", "{:5}", "{:.2f}", "{:,}", "{:_}", "{:x}", "{:#x}",
    "{:X}", "{:b}", "{:#o}", "{:e}", "{:.3e}", "{:g}", "{:G}", "{:%}", "{:.1%}", "{:+}", "{: }", "{:08}",
    "{:+08.2f}", "{:c}", "{:n}", "{:s}", "{:.2}", "{!r}", "{!s:>9}", "{!a}", "{0}", "{1}", "{a}", "{0[0]}",
    "{0.x}", "{0[a]}", "{", "}", "{{}}", "{:{w}}", "{!x}", "{:,.2f}", "{:=+8}", "{:q}", "{:.3}",
    "{0.__class__}", "{:010,}", "{:_x}", "{:#.3g}", "{:z.1f}", "{:<08}", "{:é>6}",
]

INDEXES = [
    "0", "1", "-1", "5", "-9", "'a'", "'0'", "none", "1.0", "true", "missing", "big", "'upper'", "'items'",
    "[]", "'__class__'", "(0,)", "'n'",
]

SLICES = [
    ":", "1:", ":2", "-2:", ":-1", "::2", "::-1", "1:-1", "5:1:-1", "-1:0:-2", "::0", "'a':", "1.5:", "none:2",
    ":big", "-big:", "true:", "missing:", "2:1", "::-big",
]

# V stands for a value.
LOOPS = [
    "{% for x in V %}{{ loop.index }}:{{ x }};{% else %}none{% endfor %}",
    "{% for a, b in V %}{{ a }}={{ b }};{% endfor %}",
    "{% set a, b = V %}{{ a }}/{{ b }}",
    "{% for x in V %}{{ loop.last }}{{ loop.revindex }} {% endfor %}",
    "{% if V %}yes{% elif not V %}no{% endif %}",
    "{% set ns = namespace(x=0) %}{% for x in V %}{% set ns.x = ns.x + 1 %}{% endfor %}{{ ns }}",
    "{% for x in V if x %}{{ x }}{{ loop.length }}{{ loop.previtem is defined }}{{ loop.nextitem }}{% endfor %}",
    "{% macro m(a, b=V) %}[{{ a }}{{ b }}{{ varargs }}{{ kwargs }}]{% endmacro %}{{ m(V) }}{{ m(1, 2, V, z=V) }}",
    "{{ V if V else 'other' }}",
    "{{ V }}{{ V ~ V }}",
    "{% set x = V %}{% set g = x|list %}{{ g }}{{ x|list }}",
    "{{ [V, V] }}{{ (V,) }}{{ {'k': V} }}",
    "{% filter upper %}a{{ V }}{% endfilter %}",
    "{% set x %}<{{ V }}>{% endset %}{{ [x] }}",
    "{% for x in V recursive %}{{ x }}{% endfor %}",
    "{% with a = V %}{{ a }}{% endwith %}",
    "{{ 'a' if missing }}{{ (1 if false) is defined }}{{ V is defined }}",
    "{% set ns = namespace() %}{% set ns.v = V %}{{ ns.v }}{{ ns }}",
    "{% for k, v in V|items %}{{ k }}{{ v }}{% endfor %}",
    "{% for x in V %}{% if loop.index > 1 %}{% break %}{% endif %}"
    "{{ loop.cycle('o', 'e') }}{{ loop.changed(x) }}{% endfor %}",
]

OPERATORS = [
    "+", "-", "*", "/", "//", "%", "**", "~", "==", "!=", "<", "<=", ">", ">=", "in", "not in", "and", "or",
]


def _pairs():
    for left, operator, right in itertools.product(OTHERS, OPERATORS, OTHERS):
        if operator != "**" or "big" not in (left, right):
            yield f"{left} {operator} {right}"


def _expressions():
    """Expressions of one operation each."""
    for value in VALUES:
        yield from (f"{value}", f"not {value}", f"-{value}", f"+{value}", f"{value}.x", f"{value}()")
        yield from (f"{value} is {test}" for test in TESTS)
        yield from (f"{value}[{index}]" for index in INDEXES + SLICES)
        yield from (f"{value}|{name}{arguments}" for name, lists in FILTERS.items() for arguments in lists)
        yield from (f"{spec!r} % {value}" for spec in PERCENTS)
        yield from (f"{spec!r} % ({value},)" for spec in PERCENTS)
        yield from (f"{spec!r}.format({value}, w=7)" for spec in FORMATS)
        yield f"('<%s>'|safe) % {value}"
        yield f"('<{{}}>'|safe).format({value})"
        yield f"('<{{:>9}}>'|safe).format({value})"
    yield from _pairs()
    for value in STR_VALUES:
        yield from (f"{value}.{name}{arguments}" for name, lists in STR_METHODS.items() for arguments in lists)
    yield from (f"{value}.{method}" for value, methods in METHODS.items() for method in methods)
    yield from GLOBALS
    yield from (f"strftime_now({form!r})" for form in STRFTIME)


def _random_expression(draw, depth):
    if depth == 0:
        return draw.choice(VALUES)
    inner = _random_expression(draw, depth - 1)
    kind = draw.randrange(6)
    if kind < 3:
        name = draw.choice(sorted(FILTERS))
        return f"({inner})|{name}{draw.choice(FILTERS[name])}"
    if kind == 3:
        return f"({inner}) {draw.choice([o for o in OPERATORS if o != '**'])} {draw.choice(OTHERS)}"
    if kind == 4:
        return f"({inner})[{draw.choice(INDEXES + SLICES)}]"
    name = draw.choice(sorted(STR_METHODS))
    return f"({inner}).{name}{draw.choice(STR_METHODS[name])}"


def _all_templates():
    for expression in _expressions():
        yield f"{{{{ [{expression}] }}}}"
    for value in VALUES:
        yield f"{{{{ {value} }}}}"
        yield from (loop.replace("V", value) for loop in LOOPS)
    draw = random.Random(20240229)
    for _ in range(4000):
        yield f"{{{{ [{_random_expression(draw, draw.randrange(2, 5))}] }}}}"


def templates(count=30_000):
    """So many templates, the same each time. Most print a value within a list, so that its type shows."""
    everything = list(dict.fromkeys(_all_templates()))
    draw = random.Random(20240301)
    return draw.sample(everything, min(count, len(everything)))


class Reference:
    """transformers' own environment."""

    def __init__(self):
        self.environment = stop_the_clock()._cached_compile_jinja_template("").environment

    def render(self, template):
        """The text, or the exception that refuses the template."""
        try:
            return self.environment.from_string(template).render(**copy.deepcopy(VARIABLES))
        except Exception as error:  # whatever Python raises is a refusal.
            return error


def has_address(text):
    return re.search(r"0x[0-9a-f]{6,}", text) is not None


def answers(count=30_000):
    """So many templates, each with the text that transformers renders, or None where it refuses; those
    whose text has an address are left out."""
    reference = Reference()
    for template in templates(count):
        answer = reference.render(template)
        if isinstance(answer, Exception):
            yield template, None
        elif not has_address(answer):
            yield template, answer
