"""A page with a place for figures: only what stands between its marks changes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_live.bench.page import Page, page, with_section
from pipeline_live.errors import UsageError

BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"
TEXT = st.text(st.characters(exclude_characters="<>"))


@given(TEXT, TEXT, TEXT, TEXT)
def test_only_what_stands_between_the_marks_changes(head, old, tail, new):
    text = f"{head}{BEGIN}{old}{END}{tail}"
    once = with_section(text, new, "README.md", "bench")
    assert once == f"{head}{BEGIN}\n{new}\n{END}{tail}"
    assert with_section(once, new, "README.md", "bench") == once


@pytest.mark.parametrize(
    "text",
    ["", BEGIN, END, f"{END}{BEGIN}", f"{BEGIN}{BEGIN}{END}", f"{BEGIN}{END}{END}"],
)
def test_marks_that_are_not_there_once_each_in_order(text):
    with pytest.raises(UsageError, match=r"README\.md: must hold"):
        with_section(text, "new", "README.md", "bench")


def test_a_page_is_looked_at_before_anything_is_measured(tmp_path):
    path = tmp_path / "page.md"
    with pytest.raises(UsageError, match="cannot be read"):
        Page(path, "bench")
    path.write_text(f"# Page\n{BEGIN}\nold\n{END}\n")
    with pytest.raises(UsageError, match="smooth:begin"):
        Page(path, "smooth")
    Page(path, "bench").write("new")
    assert path.read_text() == f"# Page\n{BEGIN}\nnew\n{END}\n"
    assert page(None, "bench") is None
