"""A passage knows the file and the line on which it stands."""

from __future__ import annotations

import re

from tests.support.passages import ROOT, Passage, whole

PAGE = Passage(ROOT / "docs" / "page.md", 10, "one\ntwo `a`\n```sh\nthree\nfour\n```\n`b` and `c`\n")


def test_every_match_has_its_line() -> None:
    assert [str(found) for found in PAGE.find("`[abc]`")] == [
        "docs/page.md:11, `a`",
        "docs/page.md:16, `b`",
        "docs/page.md:16, `c`",
    ]


def test_the_last_group_is_what_is_found() -> None:
    (block,) = PAGE.find(re.compile(r"^(`+)sh\n(.*?)^\1$", re.MULTILINE | re.DOTALL))

    assert (block.line, block.text) == (13, "three\nfour\n")
    assert [found.line for found in block.find("four")] == [14]


def test_lines_keep_their_numbers_where_something_is_left_out() -> None:
    left = PAGE.without(re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL))

    assert "three" not in left.text
    assert [found.line for found in left.find("`[bc]`")] == [16, 16]


def test_a_whole_file_begins_on_its_first_line() -> None:
    readme = whole(ROOT / "README.md")

    assert (readme.page, readme.line) == ("README.md", 1)
    assert readme.text == (ROOT / "README.md").read_text()
