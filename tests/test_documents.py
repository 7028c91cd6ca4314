"""What code and pages cite is there: specification pages and sections, linked files, reference vectors, dependencies."""

import ast
import importlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from real3d_core.options import parser
from real3d_core.series.options import batch_parser

ROOT = Path(__file__).resolve().parent.parent
DESIGN = ROOT / "docs" / "design.md"
SPEC = ROOT / "docs" / "spec"
DEPENDENCIES = ROOT / "docs" / "dependencies.md"
DISTRIBUTION = {
    "PIL": "pillow",
    "cv2": "opencv-contrib-python-headless",
    "yaml": "pyyaml",
    "pillow_heif": "pillow-heif",
}  # where it differs from the import's name
OF_THE_HOST = {"comfy", "comfy_api", "comfy_execution", "folder_paths", "server", "nodes"}
CITING = {".py", ".js", ".mjs", ".cpp", ".cu", ".h", ".md", ".toml"}

_NUMBER = r"\d+(?:\.\d+)*"
_LIST = rf"{_NUMBER}(?:(?:-|–|, | and | to ){_NUMBER})*"
_PLACE = rf"(?:,? sections? (?P<sections>{_LIST}))?(?:,? (?:items?|steps?) (?P<items>{_LIST}))?"
CITATION = re.compile(rf"\b(?:[Ss]pec (?P<spec>\d+)|[Pp]age (?P<page>0\d)|(?P<design>DESIGN))\b{_PLACE}")
OWN_SECTION = re.compile(rf"\b[Ss]ections? (?P<sections>{_LIST})(?:,? (?:items?|steps?) (?P<items>{_LIST}))?")
LINK = re.compile(r"\]\(([^)\s]+)\)")


def files(*suffixes: str) -> list[Path]:
    """The repository's own files that end so, whether committed yet or not."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listing = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if listing.returncode:
        pytest.skip("not a git checkout")
    paths = [ROOT / name for name in filter(None, listing.stdout.split("\0"))]
    return sorted(path for path in paths if path.suffix in suffixes and path.is_file() and path != Path(__file__).resolve())


def joined_lines(text: str) -> str:
    """The text without line breaks, indents and the signs that begin a comment's line."""
    return re.sub(r"[ \t]*\n[ \t]*(?:#|//|\*|\|)*[ \t]*", " ", text)


@cache
def headings(page: Path) -> frozenset[str]:
    """Numbers of a page's sections."""
    return frozenset(re.findall(rf"^#{{2,4}} ({_NUMBER})[. ]", page.read_text(encoding="utf-8"), re.MULTILINE))


@cache
def numbered(page: Path, section: str) -> frozenset[str]:
    """Numbers of the list items and table rows in a section."""
    body = re.split(rf"^#{{2,4}} {re.escape(section)}[. ]", page.read_text(encoding="utf-8"), flags=re.MULTILINE)[1]
    return frozenset(re.findall(r"^(?:\| )?(\d+)(?:\. | \|)", re.split(r"^## ", body, flags=re.MULTILINE)[0], re.MULTILINE))


def numbers(listed: str | None) -> list[str]:
    """'1-2, 4 and 6.1' -> 1, 2, 4, 6.1."""
    found = []
    for part in re.split(r", | and ", listed or ""):
        first, *last = re.split(r"-|–| to ", part)
        found += [str(n) for n in range(int(first), int(last[0]) + 1)] if last else [first] * bool(first)
    return found


def faults(page: Path, citation: re.Match) -> Iterator[str]:
    """What a citation names that its page does not have."""
    sections, items = numbers(citation["sections"]), numbers(citation["items"])
    missing = [section for section in sections if section not in headings(page)]
    yield from (f"{page.name} has no section {section}" for section in missing)
    if sections and not missing:
        yield from (f"section {sections[-1]} of {page.name} has no item {n}" for n in items if n not in numbered(page, sections[-1]))


def unresolved(text: str, own_page: Path | None = None) -> list[str]:
    """Citations that lead nowhere; within a page of the documents, 'section 3' alone means its own."""
    text = joined_lines(text)
    found = []
    for citation in CITATION.finditer(text):
        pages = [DESIGN] if citation["design"] else sorted(SPEC.glob(f"{citation['spec'] or citation['page']}-*.md"))
        found += [f"'{citation[0]}': {fault}" for fault in faults(pages[0], citation)] if pages else [f"'{citation[0]}': no such page"]
    for alone in OWN_SECTION.finditer(CITATION.sub("", text)):
        found += [f"'{alone[0]}': {fault}" for fault in (faults(own_page, alone) if own_page else ["of which page?"])]
    return found


@pytest.mark.parametrize(
    "invented",
    [
        *("spec 12", "spec 03 section 99", "spec 06 sections 6 to 19", "spec 07 section 4.9", "spec 06 section 12, item 40"),
        *("DESIGN section 12", "section 3", "page 05 section 20", "spec 03\n    # section 99", "spec 04 section 6, steps 10 and 31"),
    ],
)
def test_an_invented_citation_is_noticed(invented):
    assert unresolved(f"As it says ({invented}).")


def test_an_invented_section_of_the_own_page_is_noticed():
    assert unresolved("see section 44", own_page=DESIGN)


def test_every_citation_of_the_documents_leads_somewhere():
    pages = {DESIGN, *SPEC.glob("*.md")}
    texts = {path: path.read_text(encoding="utf-8") for path in files(*CITING)}
    wrong = [
        f"{path.relative_to(ROOT)}: {one}" for path, text in texts.items() for one in unresolved(text, path if path in pages else None)
    ]
    assert not wrong, "\n".join(wrong)
    assert sum(len(CITATION.findall(text)) for text in texts.values()) > 150


def test_every_relative_link_leads_to_a_file():
    dead = []
    for page in files(".md"):
        text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
        targets = (link.partition("#")[0] for link in LINK.findall(text) if "://" not in link and not link.startswith(("#", "mailto:")))
        dead += [f"{page.relative_to(ROOT)} links to {target}" for target in targets if not (page.parent / target).exists()]
    assert not dead, "\n".join(dead)


def test_every_reference_vector_that_the_specification_names_is_there():
    named = {name for page in SPEC.glob("*.md") for name in re.findall(r"[\w/]+\.npz", page.read_text(encoding="utf-8"))}
    assert len(named) > 20
    missing = [name for name in named if not (ROOT / "tests" / "goldens" / name.rpartition("/")[2]).is_file()]
    assert not missing


def third_party_imports(folder: str) -> set[str]:
    """Top-level names of the packages that a folder's files import, wherever in the file."""
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in (ROOT / folder).rglob("*.py")]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module and not node.level}
    return {name.partition(".")[0] for name in names} - set(sys.stdlib_module_names) - OF_THE_HOST


def test_the_dependencies_page_names_what_the_code_imports_and_nothing_that_it_says_we_do_without():
    used, _, unused = DEPENDENCIES.read_text(encoding="utf-8").partition("## What you may expect and will not find")
    in_use, left_out = (set(re.findall(r"[\w-]+", " ".join(re.findall(r"^\| ([^|]+) \|", part, re.MULTILINE)))) for part in (used, unused))
    imported = set().union(*(third_party_imports(folder) for folder in ("real3d_core", "nodes", "cuda_ops")))
    imported = {DISTRIBUTION.get(name, name) for name in imported}
    assert len(imported) > 10
    assert imported <= in_use and not imported & left_out


def test_the_dependencies_page_names_every_requirement():
    used = DEPENDENCIES.read_text(encoding="utf-8").partition("## What you may expect and will not find")[0]
    lines = [line for path in ROOT.glob("requirements*.txt") for line in path.read_text(encoding="utf-8").splitlines()]
    extra = re.search(r"^library = \[(.*?)\]", (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)[1]
    required = {re.match(r"[\w-]+", line)[0] for line in [*lines, *re.findall(r'"(.+?)"', extra)] if re.match(r"\w", line)}
    assert len(required) > 15
    assert not {name for name in required if f"| {name} |" not in used}


def test_the_readme_names_every_node():
    defined = json.loads((ROOT / "locales" / "en" / "nodeDefs.json").read_text(encoding="utf-8"))
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert not {node["display_name"] for node in defined.values() if f"*{node['display_name']}*" not in text}


def test_every_option_that_a_page_names_is_one():
    ours = {*parser()._option_string_actions, *batch_parser()._option_string_actions}
    others = {"--no-deps", "--cpu", "--half", "--check"}  # of pip, ComfyUI, the checkpoint's conversion and ruff
    pages = [
        ROOT / name
        for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/library.md", "docs/official_models.md", "docs/scaling.md")
    ]
    named = {option for page in pages for option in re.findall(r"(?<![\w-])--[a-z][a-z-]+", page.read_text(encoding="utf-8"))}
    assert len(named) > 10
    assert not named - ours - others


def test_every_module_that_a_page_names_is_there():
    named = {name for page in files(".md") for name in re.findall(r"\breal3d_core(?:\.\w+)+", page.read_text(encoding="utf-8"))}
    assert len(named) > 2
    assert not {name for name in named if not is_there(name)}


def is_there(name: str) -> bool:
    """Whether a dotted name is a module, or a name in one."""
    path = ROOT.joinpath(*name.split("."))
    if path.is_dir() or path.with_suffix(".py").is_file():
        return True
    package, _, attribute = name.rpartition(".")
    return is_there(package) and hasattr(importlib.import_module(package), attribute)


def test_every_path_that_a_page_names_is_there():
    own = {path.relative_to(ROOT).parts[0] for path in files(*CITING, ".json", ".png", ".wav")}
    named = {(page, path) for page in files(".md") for path in re.findall(r"`(\w+/[\w./*-]*)`", page.read_text(encoding="utf-8"))}
    named = {(page, path) for page, path in named if path.partition("/")[0] in own}
    assert len(named) > 15
    missing = [f"{page.relative_to(ROOT)}: {path}" for page, path in named if not any(ROOT.glob(path))]
    assert not missing, "\n".join(missing)
