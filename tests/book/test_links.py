"""Links and pictures in text: targets exist, addresses are well-formed. Nothing is fetched."""

import re
from urllib.parse import unquote, urlparse

import pytest

from tests.book.content import CHAPTERS, PAGES, ROOT, prose

TEXTS = [*CHAPTERS, *PAGES, ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
LINK = re.compile(r"(?P<image>!?)\[(?P<text>[^\]]*)\]\((?P<target>[^)\s]*)(?:\s+\"[^\"]*\")?\)")
NAMES = [str(path.relative_to(ROOT)) for path in TEXTS]


@pytest.mark.parametrize("path", TEXTS, ids=NAMES)
def test_links_lead_somewhere(path):
    for link in LINK.finditer(prose(path)):
        target = link["target"]
        parts = urlparse(target)
        if link["image"] and path.name == "README.md":
            assert not parts.scheme, "the README's picture comes from the repository"
        if parts.scheme:
            assert parts.scheme == "https", f"{path.name}: {target} is not https"
            assert re.fullmatch(r"[\w-]+(\.[\w-]+)+", parts.netloc), f"{path.name}: {target}"
        elif parts.path:
            there = (path.parent / unquote(parts.path)).resolve()
            assert there.exists(), f"{path.name}: the link to {target} leads nowhere"


@pytest.mark.parametrize("path", TEXTS, ids=NAMES)
def test_pictures_in_text_have_alternative_text(path):
    for link in LINK.finditer(prose(path)):
        if link["image"]:
            assert len(link["text"]) >= 20, f"{path.name}: describe the picture {link['target']}"
    for tag in re.findall(r"<img\b[^>]*>", prose(path)):
        assert re.search(r'alt="[^"]{20,}"', tag), f"{path.name}: describe the picture {tag}"


@pytest.mark.parametrize("path", TEXTS, ids=NAMES)
def test_arxiv_links_are_what_they_say(path):
    for link in LINK.finditer(prose(path)):
        said = re.match(r"arXiv:(\S+)", link["text"])
        if said:
            assert link["target"] == f"https://arxiv.org/abs/{said[1]}", f"{path.name}: {link[0]}"
        if "arxiv.org" in link["target"]:
            assert re.fullmatch(r"https://arxiv\.org/abs/\d{4}\.\d{4,5}", link["target"]), link[0]
