"""Fills the templates of pages: text of others stays text, and what a template names must be there."""

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined


def render(template: str, **values: Any) -> str:
    """Return a page.

    Args:
        template: file name below `serving/templates`.
        values: what the template names.
    """
    environment = Environment(
        loader=PackageLoader("serving"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(**values)
