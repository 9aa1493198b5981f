"""Open every page of the built book in a browser and measure what a reader sees.

    make book
    python scripts/check_pages.py                        all pages of _build/html
    python scripts/check_pages.py --only wgan,intro      pages whose name contains one of these
    python scripts/check_pages.py --axe axe.min.js       accessibility, too
    python scripts/check_pages.py --json pages.json      all numbers, for each width
    python scripts/check_pages.py --pictures folder      pictures of the pages, to look at

A tool for developers, no part of `make test`. It needs Chromium or Chrome (found on the PATH, or
named by `--chromium`) and what `requirements.txt` installs; `--axe` needs the file `axe.min.js` of
axe-core, which `npm install axe-core` brings. The pages are served from this machine and opened at
three widths, in the light and in the dark theme.

One line for each page, in CSS pixels: code cells and equation tags that are cut off, tables that
stick out, pages wider than the window, the height at which the first picture begins, the longest
stretch without one, the share of code in the height of the page (open cells and shown source; in
brackets the cells alone), words of prose, and violations found by axe. Code may scroll on a phone.
The exit status is 1 if a page misses what is wanted.
"""

import argparse
import asyncio
import base64
import contextlib
import functools
import http.server
import json
import shutil
import subprocess
import sys
import tempfile
import threading
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WIDTHS = (1280, 1440, 390)
PHONE = 390
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
THEMES = ("light", "dark")
# The greatest number that is fine. The last four ask only for chapters: a page of references
# needs no picture. A stretch and a share are those of the narrower wide window.
WANTED = {
    "cut_code": 0,
    "cut_tags": 0,
    "tables": 0,
    "overflow": 0,
    "violations": 0,
}
WANTED_OF_CHAPTERS = {"first_picture": 700, "stretch": 3000, "code_share": 0.22}
# What the theme itself does on every page; see CONTRIBUTING.md.
OF_THE_THEME = ("label-content-name-mismatch", "region")
HEADS = "cut code  tags  tables  wide  1st picture  stretch  code (cells)  words  axe  page"

MEASURE = r"""
(() => {
  const phone = innerWidth < 600;
  const article = document.querySelector("article.bd-article") || document.body;
  const details = [...article.querySelectorAll("details")];
  const top = node => node.getBoundingClientRect().top + scrollY;
  const seen = node => node.checkVisibility() && node.getBoundingClientRect().height > 0;
  const name = node => (node.textContent || "").trim().replace(/\s+/g, " ").slice(0, 60);
  const start = top(article), end = start + article.getBoundingClientRect().height;

  const pictures = [...article.querySelectorAll("img, figure.gan-player")]
    .filter(seen)
    .filter(node => !node.matches("figure.gan-player img"))
    .map(node => { const box = node.getBoundingClientRect();
      return [box.top + scrollY, box.bottom + scrollY, box.width, box.height]; })
    .filter(([, , width, height]) => width >= 100 && height >= 60)
    .sort((a, b) => a[0] - b[0]);
  const heads = [...article.querySelectorAll("h1, h2, h3")].filter(seen);
  const stretches = [];  // [its height, the heading above it], the longest first
  let last = start;
  for (const [above, below] of [...pictures, [end, end]]) {
    const head = heads.filter(node => top(node) <= last + 1).pop() || article;
    stretches.push([Math.round(above - last), name(head)]);
    last = Math.max(last, below);
  }
  stretches.sort((a, b) => b[0] - a[0]);

  const height = nodes => nodes.filter(seen)
    .reduce((sum, node) => sum + node.getBoundingClientRect().height, 0);
  const inputs = height([...article.querySelectorAll(".cell_input")]);
  const sources = height([...article.querySelectorAll(".cell_output div.highlight")]
    .filter(node => !node.closest(".output.stream, .output.text_plain")));

  const copy = article.cloneNode(true);
  copy.querySelectorAll(".cell, .math, mjx-container, script, style, summary, pre, nav")
    .forEach(node => node.remove());
  const words = copy.textContent.split(/\s+/).filter(word => /[\p{L}\p{N}]/u.test(word)).length;

  const wide = document.documentElement.scrollWidth > innerWidth + 1;
  const closed = details.filter(node => !node.open);
  closed.forEach(node => { node.open = true; });
  const code = phone ? [] : [...article.querySelectorAll("div.highlight pre, .cell_output pre")]
    .filter(seen).filter(node => {
      for (let box = node; box !== article; box = box.parentElement)
        if (box.scrollWidth > box.clientWidth + 1 && getComputedStyle(box).overflowX !== "visible")
          return true;
      return false;
    });
  const right = Math.min(innerWidth, document.documentElement.clientWidth);
  const tags = [...article.querySelectorAll("mjx-labels mjx-mtd")]
    .filter(seen).filter(node => {
      const tag = node.getBoundingClientRect();
      const math = node.closest(".math") || node.closest("mjx-container");
      const box = math.getBoundingClientRect();
      if (tag.width > 0 && (tag.right > box.right + 1 || tag.left < box.left - 1)) return true;
      if (tag.right > right + 1) return true;
      // a tag on top of its equation
      const table = node.closest("mjx-mtable").querySelector(":scope > mjx-table");
      if (!table) return false;
      const row = [...table.querySelectorAll("mjx-mtd")].map(n => n.getBoundingClientRect());
      return row.some(n => n.right > tag.left + 1 && n.left < tag.right - 1
        && n.bottom > tag.top + 2 && n.top < tag.bottom - 2);
    });
  const edge = article.getBoundingClientRect().right;
  const tables = [...article.querySelectorAll("table")].filter(seen).filter(node => {
    let box = node.parentElement;
    const sticks = node => getComputedStyle(node).overflowX === "visible";
    while (box !== article && sticks(box)) box = box.parentElement;
    const scrolls = box !== article;
    if (scrolls) return !phone && box.scrollWidth > box.clientWidth + 1;
    return node.getBoundingClientRect().right > edge + 1;
  });
  const result = {
    cut_code: code.length, cut_tags: tags.length, tables: tables.length, overflow: Number(wide),
    first_picture: pictures.length ? Math.round(pictures[0][0]) : null,
    stretch: stretches[0][0], stretches: stretches.slice(0, 5),
    code_share: (inputs + sources) / (end - start), input_share: inputs / (end - start),
    words, height: Math.round(end - start), pictures: pictures.length,
    which: {code: code.map(name), tags: tags.map(name), tables: tables.map(name)},
  };
  closed.forEach(node => { node.open = false; });
  return JSON.stringify(result);
})()
"""
READY = r"""
(async () => {
  if (window.MathJax && MathJax.startup && MathJax.startup.promise) await MathJax.startup.promise;
  await document.fonts.ready;
  document.querySelectorAll("img[loading=lazy]").forEach(image => { image.loading = "eager"; });
  await Promise.all([...document.images].map(image => image.decode().catch(() => 0)));
  await new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)));
  return document.documentElement.dataset.theme || "";
})()
"""
# Colours fade when the theme changes; half way, they have too little contrast.
STILL = r"""
new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done))).then(() => {
  for (const change of document.getAnimations())
    if (change.effect.getComputedTiming().endTime === Infinity) change.cancel();
    else change.finish();
})
"""
AXE = r"""
axe.run(document, {resultTypes: ["violations"]}).then(found => JSON.stringify(
  found.violations.map(rule => [rule.id, rule.nodes.map(node => node.target.join(" "))])))
"""


# --- the report: no browser needed ------------------------------------------------------------


def summary(measures: dict[int, dict], violations: dict[str, list[str]], chapter: bool) -> dict:
    """What one line says about a page: the worst of all widths, pictures and code at the first.

    `measures` has what was measured at each width, `violations` the places of each axe rule.
    """
    first = measures[min(width for width in measures if width != PHONE or len(measures) == 1)]
    worst = {
        key: max(measure[key] for measure in measures.values())
        for key in ("cut_code", "cut_tags", "tables", "overflow")
    }
    same = ("first_picture", "stretch", "stretches", "code_share", "input_share", "words")
    own = {rule: places for rule, places in violations.items() if rule not in OF_THE_THEME}
    return {
        **worst,
        **{key: first[key] for key in same},
        "violations": sum(map(len, own.values())),
        "rules": sorted(own),
        "chapter": chapter,
    }


def missed(page: dict) -> list[str]:
    """What of a page's summary is not as wanted: the names of its numbers."""
    wanted = WANTED | (WANTED_OF_CHAPTERS if page["chapter"] else {})
    return [key for key, most in wanted.items() if page[key] is None or page[key] > most]


def row(name: str, page: dict) -> str:
    """The line of a page; a number that is not as wanted has a star."""
    stars = missed(page)

    def cell(key, width, text=None):
        text = str(page[key]) if text is None else text
        return f"{text}{'*' if key in stars else ' '}".rjust(width)

    first = "none" if page["first_picture"] is None else str(page["first_picture"])
    share = f"{page['code_share']:.0%} ({page['input_share']:.0%})"
    return (
        cell("cut_code", 9)
        + cell("cut_tags", 6)
        + cell("tables", 8)
        + cell("overflow", 6)
        + cell("first_picture", 13, first)
        + cell("stretch", 9)
        + cell("code_share", 14, share)
        + cell("words", 7)
        + cell("violations", 5)
        + f" {name}"
    )


def report(pages: dict[str, dict]) -> str:
    """One line for each page, then how many pages miss what."""
    lines = [HEADS, *(row(name, page) for name, page in pages.items())]
    counts: dict[str, int] = {}
    for page in pages.values():
        for key in missed(page):
            counts[key] = counts.get(key, 0) + 1
    said = ", ".join(f"{key} on {n}" for key, n in counts.items())
    lines.append(f"{len(pages)} pages. " + (f"Not as wanted (*): {said}." if said else "All fine."))
    return "\n".join(lines)


def pages_of(html: Path, only: str = "") -> list[str]:
    """The pages of a built book, without suffix; `only` names parts of their names."""
    names = sorted(str(p.relative_to(html).with_suffix("")) for p in html.glob("book/**/*.html"))
    if (html / "404.html").exists():
        names.append("404")
    wanted = [word for word in only.split(",") if word]
    return [name for name in names if not wanted or any(word in name for word in wanted)]


# --- the browser ------------------------------------------------------------------------------


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves files and says nothing."""

    def log_message(self, *arguments):
        """Say nothing."""


@contextlib.contextmanager
def served(folder: Path):
    """Serve a folder on this machine; gives its address."""
    handler = functools.partial(Quiet, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()


@contextlib.contextmanager
def browser(command: str):
    """Start a browser without a window; gives the address of its one tab for developers."""
    folder = tempfile.mkdtemp()
    process = subprocess.Popen(
        [
            command,
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
            "--no-first-run",
            "--remote-debugging-port=0",
            f"--user-data-dir={folder}",
            "about:blank",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        for line in process.stderr:
            if "DevTools listening on ws://" in line:
                port = line.split("ws://")[1].split("/")[0]
                break
        else:
            raise SystemExit(f"{command} has not started.")
        threading.Thread(target=process.stderr.read, daemon=True).start()
        with urllib.request.urlopen(f"http://{port}/json/list") as answer:
            tabs = json.load(answer)
        yield next(tab["webSocketDebuggerUrl"] for tab in tabs if tab["type"] == "page")
    finally:
        process.terminate()
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)


class Tab:
    """A tab of the browser, driven by its protocol for developers."""

    def __init__(self, socket):
        self.socket, self.number = socket, 0
        self.seen: set[str] = set()  # the events since a page was asked for

    async def send(self, method: str, **parameters) -> dict:
        """Send a command; its result. RuntimeError if the browser refuses."""
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        await self.socket.write_message(json.dumps(message))
        while True:
            answer = await self.next()
            if answer.get("id") == self.number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]

    async def next(self) -> dict:
        """The browser's next message."""
        text = await asyncio.wait_for(self.socket.read_message(), 120)
        if text is None:
            raise RuntimeError("The browser has gone.")
        message = json.loads(text)
        self.seen.add(message.get("method", ""))
        return message

    async def run(self, script: str):
        """The value of a script on the page."""
        found = await self.send(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        if "exceptionDetails" in found:
            raise RuntimeError(found["exceptionDetails"]["exception"]["description"])
        return found["result"].get("value")

    async def open(self, address: str) -> None:
        """Open a page, and wait until its formulas and pictures are there."""
        self.seen.clear()
        await self.send("Page.navigate", url=address)
        while "Page.loadEventFired" not in self.seen:
            await self.next()
        await self.run(READY)

    async def resize(self, width: int) -> None:
        """Give the window another width, and wait until the page follows."""
        await self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=844 if width == PHONE else 900,
            deviceScaleFactor=1,
            mobile=False,
        )
        await self.run(READY)

    async def theme(self, theme: str) -> None:
        """Let the reader's system have a light or a dark theme."""
        features = [{"name": "prefers-color-scheme", "value": theme}]
        await self.send("Emulation.setEmulatedMedia", features=features)
        await self.run(STILL)

    async def picture(self, path: Path) -> None:
        """Store a picture of the whole page, however long."""
        size = (await self.send("Page.getLayoutMetrics"))["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        found = await self.send(
            "Page.captureScreenshot", clip=clip, captureBeyondViewport=True, format="png"
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(found["data"]))


async def measure(options, address: str, socket_address: str, names: list[str]) -> dict[str, dict]:
    """Open each page at each width and in each theme; summaries with all that was measured."""
    from tornado.websocket import websocket_connect

    axe = options.axe.read_text(encoding="utf-8") if options.axe else ""
    socket = await websocket_connect(socket_address, max_message_size=2**29)
    tab = Tab(socket)
    await tab.send("Page.enable")
    pages = {}
    for name in names:
        measures, violations = {}, {}
        await tab.theme(THEMES[0])
        await tab.resize(WIDTHS[0])
        await tab.open(f"{address}{name}.html")
        for width in WIDTHS:
            await tab.resize(width)
            measures[width] = json.loads(await tab.run(MEASURE))
            looks = THEMES if axe or options.pictures else ()
            for theme in looks:
                await tab.theme(theme)
                if axe and width in (WIDTHS[0], PHONE):
                    await tab.run(axe + ";0")
                    for rule, places in json.loads(await tab.run(AXE)):
                        known = violations.setdefault(rule, [])
                        known += [p for p in places if p not in known]
                if options.pictures:
                    file = f"{name.replace('/', '-')}-{width}-{theme}.png"
                    await tab.picture(options.pictures / file)
            await tab.theme(THEMES[0])
        chapter = (options.html / "_sources" / f"{name}.ipynb").exists()
        pages[name] = summary(measures, violations, chapter)
        print(row(name, pages[name]), flush=True)
        pages[name] |= {"widths": measures, "axe": violations}
    socket.close()
    return pages


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("html", nargs="?", type=Path, default=ROOT / "_build" / "html")
    parser.add_argument("--chromium", help="the browser; default: the first on the PATH")
    parser.add_argument("--axe", type=Path, help="axe.min.js of axe-core")
    parser.add_argument("--only", default="", help="parts of pages' names, with commas between")
    parser.add_argument("--json", type=Path, help="write all numbers to this file")
    parser.add_argument("--pictures", type=Path, help="store pictures of the pages here")
    options = parser.parse_args(arguments)
    command = options.chromium or next(filter(None, map(shutil.which, BROWSERS)), None)
    if command is None:
        parser.error("no Chromium on the PATH: name it by --chromium")
    names = pages_of(options.html, options.only)
    if not names:
        parser.error(f"no pages in {options.html}: make the book first")
    print(HEADS)
    with served(options.html) as address, browser(command) as socket_address:
        pages = asyncio.run(measure(options, address, socket_address, names))
    print(report(pages).splitlines()[-1])
    if options.json:
        options.json.write_text(json.dumps(pages, indent=2) + "\n", encoding="utf-8")
    return int(any(map(missed, pages.values())))


if __name__ == "__main__":
    sys.exit(main())
