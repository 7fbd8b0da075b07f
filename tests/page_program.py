"""Runs the Python fences of pages: ``page_program.py FOLDER PAGE...``, in FOLDER/PAGE's own folder.

All fences of a page are one program, in order. Prints what went wrong as JSON, by page.
"""

import json
import os
import sys
import traceback
from pathlib import Path

from documents import fences_of


def run(page: str) -> str:
    """Run one page; the traceback, with the page's own line numbers, or nothing."""
    names = {"__name__": "__main__"}
    try:
        for fence in fences_of(page):
            if fence.language == "python" and fence.can_run and fence.file_name is None:
                program = "\n" * (fence.line - 1) + fence.text
                exec(compile(program, page, "exec"), names)
    except BaseException:
        return traceback.format_exc()
    return ""


if __name__ == "__main__":
    folder, *pages = sys.argv[1:]
    said = sys.stdout
    sys.stdout = sys.stderr  # what the pages print
    wrong = {}
    for page in pages:
        os.chdir(Path(folder) / Path(page).stem)
        wrong[page] = run(page)
    json.dump(wrong, said)
