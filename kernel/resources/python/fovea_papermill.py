"""Lets papermill write parameters as TypeScript.

papermill knows the syntax of a fixed list of languages and has no way to add one but to register it from Python.
It loads the engines that installed packages offer whenever it starts, so this module offers one: papermill's own,
under the name `fovea`. Loading it registers the translator; `--engine fovea` need not be given.
"""

import json
import re

from papermill.engines import NBClientEngine
from papermill.models import Parameter
from papermill.translators import Translator, papermill_translators

# The largest integer that a number of JavaScript, a double, tells from its neighbours.
MAX_SAFE_INTEGER = 2**53 - 1


class TypeScriptTranslator(Translator):
    """Parameters as `let` declarations, which later cells may assign to."""

    DECLARATION = re.compile(
        r"^\s*(?:export\s+)?(?:let|const|var)\s+(?P<name>[\w$]+)\s*(?::\s*(?P<type>(?:[^=]|=>)+?))?\s*=(?!>)\s*"
        # Quotes only in pairs, so that there is one way to match them.
        r"(?P<value>(?:\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|`(?:[^`\\]|\\.)*`|(?!//)[^;\"'`])*?)"
        r"\s*;?\s*(?://\s*(?P<help>.*))?$"
    )

    @classmethod
    def translate_none(cls, val):
        return "null"

    @classmethod
    def translate_int(cls, val):
        """An integer that a number would round becomes a bigint."""
        return f"{val}n" if abs(val) > MAX_SAFE_INTEGER else str(val)

    @classmethod
    def translate_float(cls, val):
        # NaN, Infinity and -Infinity are spelled alike in both languages.
        return json.dumps(val)

    @classmethod
    def translate_escaped_str(cls, str_val):
        # Dates, which YAML knows, arrive here too.
        return json.dumps(str(str_val))

    @classmethod
    def translate_list(cls, val):
        return f"[{', '.join(cls.translate(item) for item in val)}]"

    @classmethod
    def translate_dict(cls, val):
        # In a literal "__proto__" sets the prototype; a computed key is a key like any other.
        def named(key):
            return '["__proto__"]' if key == "__proto__" else json.dumps(str(key))

        entries = ", ".join(f"{named(key)}: {cls.translate(item)}" for key, item in val.items())
        return f"{{ {entries} }}" if val else "{}"

    @classmethod
    def comment(cls, cmt_str):
        return f"// {cmt_str}".strip()

    @classmethod
    def assign(cls, name, str_val):
        return f"let {name} = {str_val};"

    @classmethod
    def inspect(cls, parameters_cell):
        """The declarations of the parameters cell that stand in one line each, with their types and comments."""
        found = (cls.DECLARATION.match(line) for line in parameters_cell["source"].splitlines())
        return [
            Parameter(
                name=match["name"],
                inferred_type_name=(match["type"] or "None").strip(),
                default=match["value"].strip(),
                help=(match["help"] or "").strip(),
            )
            for match in found
            if match
        ]


papermill_translators.register("typescript", TypeScriptTranslator)


class FoveaEngine(NBClientEngine):
    """papermill's own way of running a notebook."""
