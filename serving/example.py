"""Writes the commented example of `whycart.toml` from the config dataclasses and the sentences under their fields.

Nothing about a setting is written twice: key, default and meaning all come from the dataclass.
This module reads source code of config classes; it reads no settings.
"""

import ast
import dataclasses
import inspect
import itertools
import json
import re
import textwrap
from collections.abc import Mapping
from pathlib import Path

from serving.sections import environment_name, keys_of

HEAD = """\
# Settings of a Whycart project: copy this file to whycart.toml and take away the # of what you change.
# A flag of the command line beats the environment, which beats this file, which beats the default shown here.
# Written by 'whycart config example'; do not edit by hand.

# The project's working folder; a relative path starts at this file. WHYCART_HOME
# home = ".whycart"
"""
DECLARATIONS = """\
# Further kinds of nodes and relations take part everywhere (ingest, snapshot, training, reasons) without code.
# [graph.nodes.Material]
# key = "material_id"             # its key column
# table = "materials"             # its input table
# text = ["name"]                 # properties that make up its text

# [graph.relations.MADE_OF]
# from = "Product"
# to = "Material"
# symmetric = false               # whether it says the same in both directions
# reason = "made of {name}"       # words for a reason; {name} is the far node

# Event types: what one event counts, and after how many days it counts half. A weight may be negative.
# [events.returned]
# weight = -4.0
# half_life_days = 120.0

# One API for several shops, each a project folder with keys of its own; docs/shops.md.
# [serve.shops]
# north = "shops/north"
# south = "shops/south"

# Filters that are called by name, as in '@cheap_tea(most=8) and not brand = "Acme"'; docs/filters.md.
# [filters]
# cheap_tea = 'category = "Tea" and price < $most'

# The shop's own words for reasons, a table a language; docs/reasons.md names the keys and their placeholders.
# [reasons.wording.en]
# others = "{you}, and customers who took it also took this"
# others_counted = ["{you}, like {count} customer", "{you}, like {count} customers"]  # singular and plural, or one text
# event_returned = "sent back"
# relation_made_of = "of {name}"
"""


def write_example(sections: Mapping[str, type], *, defaults: Mapping[str, Mapping[str, object]] | None = None) -> str:
    """Return the example file.

    Args:
        sections: config dataclass by table name, in the order they shall stand.
        defaults: defaults that settings put in place of the dataclass's own, by section and key.
    """
    parts = [HEAD]
    for section, config_class in sections.items():
        parts.append(_section(section, config_class, defaults=(defaults or {}).get(section, {})))
    return "\n".join([*parts, DECLARATIONS])


def field_sentences(config_class: type) -> dict[str, str]:
    """Return the sentence under each field of a dataclass, on one line."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(config_class)))
    body = next(node for node in tree.body if isinstance(node, ast.ClassDef)).body
    found: dict[str, str] = {}
    for statement, following in itertools.pairwise(body):
        if not isinstance(statement, ast.AnnAssign) or not isinstance(statement.target, ast.Name):
            continue
        if isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant):
            found[statement.target.id] = " ".join(str(following.value.value).split())
    return found


def _section(section: str, config_class: type, *, defaults: Mapping[str, object]) -> str:
    summary = (inspect.getdoc(config_class) or "").splitlines()[0]
    lines = [f"# {summary}", f"[{section}]"]
    sentences = field_sentences(config_class)
    for field in keys_of(config_class):
        if isinstance(_default(field), Mapping):
            continue  # a table of its own, shown under DECLARATIONS
        meaning = re.sub(r"(?:^|(?<=\. ))None:", "Not set:", sentences.get(field.name, "")).replace("None:", "not set:")
        sentence = f"{meaning} {environment_name(section, field.name)}"
        lines.extend(textwrap.wrap(sentence, 118, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False))
        lines.append(f"# {field.name} = {_toml(defaults.get(field.name, _default(field)))}")
    return "\n".join(lines) + "\n"


def _default(field: "dataclasses.Field[object]") -> object:
    if field.default is not dataclasses.MISSING:
        return field.default
    return field.default_factory() if field.default_factory is not dataclasses.MISSING else None


def _toml(value: object) -> str:
    """Return a default as TOML; where there is none, a placeholder that says so."""
    if value is None:
        return "...  # not set"
    if isinstance(value, bool | int | float):
        return str(value).lower()
    if isinstance(value, tuple):
        return f"[{', '.join(map(_toml, value))}]"
    return json.dumps(value.as_posix() if isinstance(value, Path) else str(value), ensure_ascii=False)
