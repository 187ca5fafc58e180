"""A conversation as a PDF. The Chinese font is one of Adobe's own that every reader has, so none is embedded."""

import html
from collections.abc import Mapping
from io import BytesIO
from typing import Any

import msgspec
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfbase.pdfmetrics import registerFont
from reportlab.platypus import Paragraph, SimpleDocTemplate, Spacer

from services.gateway.conversations.export import Document, heading

_FONT = "STSong-Light"
_SIZE, _LEADING = 10.5, 16


def as_pdf(document: Document, names: Mapping[str, str]) -> bytes:
    """The document: the visible label on every page, the implicit one in its metadata."""
    registerFont(UnicodeCIDFont(_FONT))
    text = ParagraphStyle("text", fontName=_FONT, fontSize=_SIZE, leading=_LEADING, wordWrap="CJK")
    speaker = ParagraphStyle("speaker", parent=text, textColor="#0a7d48", spaceBefore=4 * mm, spaceAfter=1 * mm)
    title = ParagraphStyle("title", parent=text, fontSize=17, leading=24)
    label = ParagraphStyle("label", parent=text, textColor="#86909c", fontSize=9)
    story: list[Any] = [_paragraph(document.title, title), _paragraph(document.label, label), Spacer(1, 3 * mm)]
    for line in document.lines:
        story.append(_paragraph(heading(line, names), speaker))
        story += [_paragraph(part, text) for part in line.text.split("\n") if part.strip()]
    story += [Spacer(1, 5 * mm), _paragraph(document.label, label)]

    def on_page(canvas: Any, template: Any) -> None:
        canvas.setFont(_FONT, 8)
        canvas.setFillGray(0.5)
        canvas.drawCentredString(A4[0] / 2, 10 * mm, f"{document.label} | {canvas.getPageNumber()}")

    target = BytesIO()
    SimpleDocTemplate(
        target,
        pagesize=A4,
        margin=20 * mm,
        title=document.title,
        author="Queqiao",
        # Readers show keywords as they are; the standard wants the label among a file's metadata.
        keywords=msgspec.json.encode(document.aigc).decode(),
        invariant=True,
    ).build(story, onFirstPage=on_page, onLaterPages=on_page)
    return target.getvalue()


def _paragraph(text: str, style: ParagraphStyle) -> Paragraph:
    return Paragraph(html.escape(text, quote=False), style)
