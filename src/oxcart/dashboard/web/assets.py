"""Assets: the page and its files. Files are read once, sent compressed, and kept by browsers for good."""

from __future__ import annotations

import gzip
import hashlib
import html
import json
import mimetypes
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

from starlette.requests import HTTPConnection
from starlette.responses import Response

FOLDER = Path(__file__).parents[1] / "static"
"""What `frontend/` is built into."""

_HASHED = re.compile(r"-[A-Za-z0-9_-]{8,}\.\w+$")
_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".json": "application/json"}
_WORTH_PACKING = 500
"""Fewer bytes are sent as they are."""

ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="7" fill="#0f766e"/>'
    '<g fill="none" stroke="#fff" stroke-width="2.4" stroke-linecap="round"><path d="M6 10h17l3 7H9z"/>'
    '<circle cx="12" cy="22" r="3.2"/><circle cx="22" cy="22" r="3.2"/></g></svg>'
)

PLAIN_CSS = """
:root { color-scheme: light dark; font: 16px/1.55 system-ui, sans-serif; }
body { margin: 0; display: grid; place-items: center; min-height: 100vh; }
main { max-width: 38rem; padding: 2rem; }
h1 { font-size: 1.4rem; margin: 0 0 .6rem; }
pre { padding: 1rem; border-radius: 8px; background: color-mix(in srgb, currentColor 8%, transparent); overflow: auto; }
"""


@dataclass(frozen=True, slots=True)
class File:
    """A file as it is sent."""

    body: bytes
    packed: bytes | None
    kind: str
    etag: str
    immutable: bool

    @classmethod
    def of(cls, name: str, body: bytes) -> File:
        packed = gzip.compress(body, 9, mtime=0) if len(body) >= _WORTH_PACKING else None
        kind = _TYPES.get(Path(name).suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"
        return cls(body, packed, kind, f'"{hashlib.sha256(body).hexdigest()[:20]}"', bool(_HASHED.search(name)))


class Assets:
    """The files of the front end, by their names: what is not listed at the start can't be asked for."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self._paths = {
            path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()
        }
        self._files = {"plain.css": File.of("plain.css", PLAIN_CSS.encode())}
        if "icon.svg" not in self._paths:
            self._files["icon.svg"] = File.of("icon.svg", ICON.encode())
        self._scripts, self._preloads, self._styles = self._entry()

    def file(self, name: str) -> File | None:
        """The file with this name; None if there is none."""
        if name not in self._files:
            if name not in self._paths:
                return None
            try:
                body = self._paths[name].read_bytes()
            except OSError:
                return None  # another version has been installed over the one that runs
            self._files[name] = File.of(name, body)
        return self._files[name]

    def page(self, config: dict[str, Any]) -> File:
        """The page, which finds all that it needs below the path that `config` says."""
        base = quote(cast(str, config["base"]), safe="/")
        files = html.escape(f"{base}/static/")
        head = [f'<link rel="icon" href="{files}icon.svg" type="image/svg+xml">']
        head += [f'<link rel="stylesheet" href="{files}{html.escape(name)}">' for name in self._styles]
        head += [f'<link rel="modulepreload" href="{files}{html.escape(name)}">' for name in self._preloads]
        head += [f'<script type="module" src="{files}{html.escape(name)}"></script>' for name in self._scripts]
        body = f'<div id="app">{_frame(html.escape(str(config["title"])))}</div>' if self._scripts else _NOT_BUILT
        text = (
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            '<meta name="color-scheme" content="light dark">\n'
            f"<title>{html.escape(str(config['title']))}</title>\n"
            f'<script id="oxcart-config" type="application/json">{_inline(config)}</script>\n'
            f"{chr(10).join(head)}\n</head>\n<body>\n{body}\n"
            "<noscript><main><h1>This page needs JavaScript</h1></main></noscript>\n</body>\n</html>\n"
        )
        return File.of("index.html", text.encode())

    def _entry(self) -> tuple[list[str], list[str], list[str]]:
        """The scripts, what they load at once, and the style sheets, as the build's manifest names them."""
        if "manifest.json" not in self._paths:
            return [], [], ["plain.css"]
        manifest: dict[str, Any] = json.loads(self._paths["manifest.json"].read_bytes())
        entries = [chunk for chunk in manifest.values() if chunk.get("isEntry")]
        scripts = [chunk["file"] for chunk in entries if chunk["file"].endswith(".js")]
        preloads = [manifest[name]["file"] for chunk in entries for name in chunk.get("imports", ())]
        styles = [style for chunk in entries for style in chunk.get("css", ())]
        # With one style sheet for all pages it has a row of its own.
        styles += [chunk["file"] for chunk in manifest.values() if chunk["file"].endswith(".css")]
        return scripts, list(dict.fromkeys(preloads)), list(dict.fromkeys(styles))


def send(file: File, request: HTTPConnection) -> Response:
    """A file as an answer: packed if the browser can read that, and only if it hasn't got it already."""
    headers = {
        "ETag": file.etag,
        "Cache-Control": "public, max-age=31536000, immutable" if file.immutable else "no-cache",
        "Vary": "Accept-Encoding",
    }
    if file.etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    if file.packed is not None and takes_gzip(request):
        return Response(file.packed, media_type=file.kind, headers={**headers, "Content-Encoding": "gzip"})
    return Response(file.body, media_type=file.kind, headers=headers)


def takes_gzip(request: HTTPConnection) -> bool:
    return "gzip" in request.headers.get("accept-encoding", "").lower()


def plain_page(base: str, title: str, paragraphs: list[str], code: str = "") -> str:
    """A page of a few words, which needs no script."""
    style = html.escape(quote(base, safe="/") + "/static/plain.css")
    words = "".join(f"<p>{html.escape(text)}</p>" for text in paragraphs)
    example = f"<pre>{html.escape(code)}</pre>" if code else ""
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<link rel="stylesheet" href="{style}"><title>{html.escape(title)}</title>'
        f"<main><h1>{html.escape(title)}</h1>{words}{example}</main></html>"
    )


def _frame(title: str) -> str:
    """What is to be seen until the scripts are there and draw the same: nobody looks at an empty page."""
    brand = f'<span class="brand"><svg class="mark" width="22" height="22"></svg> <span>{title}</span></span>'
    bar = f'<header class="bar"><span class="icon-button"></span>{brand}<span class="icon-button"></span></header>'
    return f'<div class="shell">{bar}<aside class="side">{brand}</aside><main></main></div>'


_NOT_BUILT = (
    "<main><h1>The page is not built</h1><p>The API works, but this installation has no page. In a clone: "
    "<code>cd frontend &amp;&amp; npm ci &amp;&amp; npm run build</code></p></main>"
)


def _inline(config: dict[str, Any]) -> str:
    """JSON that can stand in a page: nothing in it can end the element."""
    text = json.dumps(config)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
