"""A Markdown file of which some blocks are written by a program, between comments that name them."""

import re
import sys


def fill(text, blocks):
    """The text with every block in its place; ends if the names in the text are others than those given."""
    names = re.findall(r"<!-- begin: (\S+) -->", text)
    if sorted(names) != sorted(blocks):
        sys.exit(f"error: the page has the blocks {', '.join(names)}, expected each of {', '.join(blocks)} once")
    for name, block in blocks.items():
        pattern = rf"(<!-- begin: {re.escape(name)} -->\n).*?(<!-- end: {re.escape(name)} -->)"
        text, count = re.subn(pattern, lambda found: f"{found[1]}\n{block}\n\n{found[2]}", text, flags=re.DOTALL)
        if count != 1:
            sys.exit(f"error: found no `<!-- end: {name} -->` after `<!-- begin: {name} -->` in the page")
    return text
