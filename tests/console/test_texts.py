"""The texts of pages: a named subject, an active verb, a number; and one noun for one request of a batch.

What is read: the text of templates and the sentences in the code of the console, the admin and the services that pages show.
The words of the APIs, and their documentation, are not read: they do not change.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
BANNED = re.compile(
    r"\bwhat is\b|\bit goes\b|\bof yours\b|\bsomebody\b|\bwhat came\b|\blately\b|\bsuggests itself\b|\bshall be\b|\bbegun\b"
    r"|\bgo(?:es)? on\b|(?<!JSON )\bobjects?\b",
    re.IGNORECASE,
)
CODE = (
    "batches/console",
    "batches/admin",
    *(f"batches/services/{room}" for room in ("bulk", "control", "exports", "insight", "retry", "search", "standing", "upkeep")),
)
NO_PAGES = ("templates/api/",)
# Files with sentences of the APIs, and with notes that are stored: those stay as they are.
WORDS_OF_APIS = (
    "batches/services/insight/waiting.py",
    "batches/services/insight/metrics/",
    "batches/services/retry/child.py",
    "batches/services/retry/retry.py",
    "batches/services/retry/selection.py",
)
# Inside of a template: a comment, a tag, a value; and of HTML: everything but the attributes that people read.
_COMMENTS = re.compile(r"{% comment %}.*?{% endcomment %}|{#.*?#}", re.DOTALL)
_WORDS_IN_TAGS = re.compile(r"""\b(?:with|title|text|word|label|hint|what|default)[=:]"([^"]*)\"""")
_TAGS = re.compile(r"{%.*?%}|{{.*?}}", re.DOTALL)
_READ_ATTRIBUTES = re.compile(r'\b(?:aria-label|title|placeholder|alt|data-label)="([^"]*)"')
_MARKUP = re.compile(r"<[^>]*>")


def template_texts() -> Iterator[tuple[str, str]]:
    """The name of each template of a page, and what people read of it."""
    for path in sorted((ROOT / "templates").rglob("*.*")):
        name = str(path.relative_to(ROOT))
        if name.startswith(NO_PAGES):
            continue
        source = _COMMENTS.sub("", path.read_text())
        said_in_tags = [said for tag in _TAGS.findall(source) for said in _WORDS_IN_TAGS.findall(tag)]
        plain = _TAGS.sub("…", source)
        yield name, " ¦ ".join([*said_in_tags, *_READ_ATTRIBUTES.findall(plain), _MARKUP.sub(" ", plain)])


def sentences() -> Iterator[tuple[str, str]]:
    """Every string with a space, and every word in an f-string, of the code that makes texts of pages; no docstrings."""
    for folder in CODE:
        for path in sorted((ROOT / folder).rglob("*.py")):
            tree = ast.parse(path.read_text())
            docstrings = {
                id(node.body[0].value)
                for node in ast.walk(tree)
                if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
                and node.body
                and isinstance(node.body[0], ast.Expr)
            }
            parts = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in ast.walk(node)}
            for node in ast.walk(tree):
                if (
                    isinstance(node, ast.Constant)
                    and isinstance(node.value, str)
                    and id(node) not in docstrings
                    and (" " in node.value or (id(node) in parts and node.value.isalpha()))
                ):
                    yield f"{path.relative_to(ROOT)}:{node.lineno}", node.value


def test_no_text_of_a_page_falls_back_into_old_words() -> None:
    """Item 5 of the texts: a text that fails here names its subject badly, or calls a request an object."""
    found = {(name, match[0]) for name, text in (*template_texts(), *sentences()) for match in BANNED.finditer(text)}
    assert sorted(one for one in found if not one[0].startswith(WORDS_OF_APIS)) == []
