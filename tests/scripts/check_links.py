#!/usr/bin/python3
"""README.md leads to every page, and each of their links to a file and a heading that are there.

    check_links.py FOLDER     of README.md: the project's, or the one where it is installed
"""
import os
import re
import sys

LINK = re.compile(r"\]\(([^)\s]+)\)")
CODE = re.compile(r"^```.*?^```|^ {4}.*?$|`[^`\n]*`", re.MULTILINE | re.DOTALL)


def anchor(heading):
    """What a heading is called in links, as GitHub and others make it."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def read(path):
    """Targets of the links of a page, and the names of its headings."""
    with open(path, encoding="utf-8") as file:
        text = re.sub(r"^```.*?^```", "", file.read(), flags=re.MULTILINE | re.DOTALL)
    headings = {anchor(heading) for heading in re.findall(r"^#+ (.*)$", text, re.MULTILINE)}
    return LINK.findall(CODE.sub("", text)), headings


def check(folder):
    """What is wrong, one line each."""
    pages, waiting = {}, [os.path.join(folder, "README.md")]
    while waiting:
        page = os.path.normpath(waiting.pop())
        if page not in pages:
            pages[page] = read(page)
            files = (os.path.join(os.path.dirname(page), link.split("#")[0]) for link in pages[page][0])
            waiting += [file for file in files if file.endswith(".md") and os.path.exists(file)]
    for page, (links, _) in pages.items():
        for link in links:
            file, _, heading = link.partition("#")
            target = os.path.normpath(os.path.join(os.path.dirname(page), file)) if file else page
            if re.match(r"[a-z]+:", link):
                continue
            if not os.path.exists(target):
                yield f"{page}: there is no {link}"
            elif heading and heading not in pages.get(target, ([], []))[1]:
                yield f"{page}: {link} is no heading there"
    docs = os.path.join(folder, "src", "docs")
    for name in sorted(os.listdir(docs)):
        if os.path.normpath(os.path.join(docs, name)) not in pages:
            yield f"{os.path.join(docs, name)}: no link leads to it from README.md"


def main():
    wrong = list(check(sys.argv[1]))
    if wrong:
        sys.exit("\n".join(wrong))


if __name__ == "__main__":
    main()
