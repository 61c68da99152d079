"""PDF: how a report looks on paper."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from fpdf import FPDF

if TYPE_CHECKING:
    from .jobs.reports import Numbers

FONTS, FONT = Path(__file__).parent / "fonts", "DejaVu"
"""Brought along, with the letters of Latin, Greek and Cyrillic: those that every PDF viewer has know a few only."""

INK, GREY, PALE = (31, 41, 51), (102, 112, 133), (238, 240, 244)
COLOURS = {"done": (22, 133, 84), "doing": (37, 99, 235), "open": (148, 163, 184)}
RED = (180, 35, 24)


def report(projects: Sequence[Numbers], made_at: datetime, tell: Callable[[int], None]) -> tuple[bytes, int]:
    """A report as a PDF, and how many pages it has. Calls `tell` with the number of projects that are drawn."""
    pdf = FPDF(format="A4")
    pdf.set_margins(20, 20)
    pdf.c_margin = 0  # text begins where bars do
    pdf.set_auto_page_break(True, 20)
    for style, file in (("", "DejaVuSans.ttf"), ("B", "DejaVuSans-Bold.ttf")):
        pdf.add_font(FONT, style, FONTS / file)
    pdf.set_title("Report")
    pdf.set_creator("Task Manager")
    pdf.add_page()
    _heading(pdf, projects, made_at)
    for number, numbers in enumerate(projects, 1):
        _project(pdf, numbers)
        tell(number)
    return bytes(pdf.output()), pdf.pages_count


def _heading(pdf: FPDF, projects: Sequence[Numbers], made_at: datetime) -> None:
    total = sum(numbers["open"] + numbers["doing"] + numbers["done"] for numbers in projects)
    overdue = sum(numbers["overdue"] for numbers in projects)
    _line(pdf, "How things stand", 24, bold=True)
    _line(pdf, f"{made_at:%d %B %Y, %H:%M} UTC", 10, GREY)
    _line(pdf, f"{_count(total, 'task')} in {_count(len(projects), 'project')}, {overdue} overdue", 12)
    pdf.ln(6)


def _project(pdf: FPDF, numbers: Numbers) -> None:
    if pdf.will_page_break(45):
        pdf.add_page()
    _line(pdf, numbers["project"], 14, bold=True)
    _bar(pdf, numbers)
    said = f"{numbers['done']} done, {numbers['doing']} being done, {numbers['open']} open"
    _line(pdf, said, 10, GREY)
    if numbers["overdue"]:
        pdf.ln(1.5)
        _line(pdf, f"{numbers['overdue']} overdue:", 10, RED, bold=True)
        for title in numbers["late"]:
            _line(pdf, f"•  {title}", 10, INK)
        if more := numbers["overdue"] - len(numbers["late"]):
            _line(pdf, f"and {more} more", 10, GREY)
    pdf.ln(6)


def _bar(pdf: FPDF, numbers: Numbers) -> None:
    x, y, width, height = pdf.l_margin, pdf.get_y() + 1, pdf.epw, 5
    pdf.set_fill_color(*PALE)
    pdf.rect(x, y, width, height, style="F")
    total = numbers["done"] + numbers["doing"] + numbers["open"]
    parts = {"done": numbers["done"], "doing": numbers["doing"], "open": numbers["open"]}
    for state, count in parts.items():
        part = width * count / total if total else 0
        pdf.set_fill_color(*COLOURS[state])
        if part:
            pdf.rect(x, y, part, height, style="F")
        x += part
    pdf.set_y(y + height + 1)


def _line(pdf: FPDF, text: str, size: int, colour: tuple[int, int, int] = INK, *, bold: bool = False) -> None:
    pdf.set_font(FONT, "B" if bold else "", size)
    pdf.set_text_color(*colour)
    pdf.multi_cell(0, size * 0.5, text, new_x="LMARGIN", new_y="NEXT")


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
