"""A crate's page for people: what it is and what came out. No script, nothing from elsewhere; all text is escaped."""

from __future__ import annotations

import html

from nodeflow import __version__
from nodeflow.share.crate import Contents
from nodeflow.share.crate_metadata import inputs_of, moment_text, quoted


def preview(contents: Contents, files: list[str]) -> str:
    """The page. files: names in the crate."""

    def text(value: object) -> str:
        return html.escape(str(value), quote=True)

    title = text(contents.workflow.title or contents.stem)
    rows = "".join(f"<tr><th>{text(k)}<td>{text(str(v)[:500])}" for k, v in inputs_of(contents).items())
    shown = "".join(
        f'<figure><img src="{quoted(f)}" alt=""><figcaption>{text(f)}</figcaption></figure>'
        for f in files
        if f.startswith("outputs/") and f.endswith((".png", ".webp", ".jpg"))
    )
    models = "".join(
        f"<li>{text(m.folder)}/{text(m.name)}: {text(m.license or 'licence not stated')}, "
        f"{text(m.source or 'source not stated')}"
        for m in contents.lock.models
    )
    listed = "".join(f'<li><a href="{quoted(f)}">{text(f)}</a>' for f in files)
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src 'self' file:; "
        "style-src 'unsafe-inline'\">"
        f"<title>{title}</title><style>body{{font:16px sans-serif;max-width:60em;margin:2em auto}}"
        "img{max-width:100%;image-rendering:auto}th{text-align:left;padding-right:1em}</style>"
        f"<h1>{title}</h1><p>{text(contents.workflow.description)}</p>{shown}"
        f"<h2>Inputs</h2><table>{rows}</table><h2>Models</h2><ul>{models}</ul><h2>Files</h2><ul>{listed}</ul>"
        f"<p>Made by nodeflow {text(__version__)}; {text(moment_text(contents.moment))}.</html>\n"
    )
