"""`whycart graph check`, and the same findings in `whycart validate`: how good the data is, told and drawn."""

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from cypher.errors import InputError
from kg.declared_checks import ColumnCheck
from kg.extract import extract_tables
from kg.health import Finding, Shop, by_verdict, count_verdicts, examine
from kg.health_checks import CHECKS
from kg.store import GraphStore
from kg.tables import Tables
from serving.cli.output import print_json, print_table, progress_bars, say
from serving.settings import load_settings

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Html = Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Write a page with plots too.")]
EXIT_FAILED = 2


def check(as_json: AsJson = False, html: Html = None) -> None:
    """Say how good the data in the graph is: gaps, doubles, outliers, orphans, and what to do about each.

    The exit code is 2 when a check failed; warnings leave it at 0.

    Example: whycart graph check --html data.html
    """
    settings = load_settings()
    with progress_bars(wanted=not as_json) as progress, GraphStore.open(settings.graph) as store:
        tables = extract_tables(store, settings.schema, progress=progress)
        where = store.server.uri
    findings = look(shop_now(tables), settings.checks(), html=html, data=f"the graph at {where}")
    if as_json:
        print_json({"findings": as_facts(findings)})
    else:
        tell(findings, every=True)
    if any(one.verdict == "FAIL" for one in findings):
        raise typer.Exit(EXIT_FAILED)


def shop_now(tables: Tables) -> Shop:
    """Return tables to be looked at now."""
    return Shop(tables, now_ms=int(time.time() * 1000))


def look(shop: Shop, declared: Sequence[ColumnCheck], *, html: Path | None, data: str) -> list[Finding]:
    """Return the findings, failures first, and write the page if one is wanted.

    Args:
        shop: what is looked at.
        declared: what the shop itself asks of columns.
        html: where to write a page; None: nowhere.
        data: what the tables are of, for the page.

    Raises:
        InputError: the page cannot be written.
    """
    findings = examine(shop, CHECKS)
    if declared:
        from kg.column_checks import examine_declared  # brings a library that takes a second to load

        findings = by_verdict([*examine_declared(shop.tables, declared), *findings])
    if html is not None:
        from serving.health_page import health_page  # drawing takes a second to load

        facts = {"data": data, "made": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC", "checks": str(len(findings))}
        try:
            html.write_text(health_page(findings, shop, facts=facts), encoding="utf-8")
        except OSError as err:
            raise InputError(f"the page {html} cannot be written: {err.strerror}") from err
    return findings


def as_facts(findings: Sequence[Finding]) -> list[Mapping[str, Any]]:
    """Return findings as JSON knows them."""
    return [
        {
            "table": one.table,
            "column": one.column,
            "check": one.name,
            "verdict": one.verdict,
            "count": one.count,
            "total": one.total,
            "share": round(one.share, 6),
            "examples": one.examples,
            "fix": one.fix,
        }
        for one in findings
    ]


def tell(findings: Sequence[Finding], *, every: bool) -> None:
    """Print findings for people.

    Args:
        findings: failures first.
        every: whether those that passed are shown too.
    """
    shown = [one for one in findings if every or one.verdict != "PASS"]
    if shown:
        columns = ("verdict", "table", "rows", "count", "share", "for example", "what to do")
        rows = [
            (
                one.verdict,
                one.place,
                one.name,
                one.count,
                f"{one.share:.1%}",
                ", ".join(one.examples),
                one.fix,
            )
            for one in shown
        ]
        print_table(columns, rows)
    counts = count_verdicts(findings)
    say(f"{counts['FAIL']} failed, {counts['WARN']} to look at, {counts['PASS']} fine")
