#!/usr/bin/python3
"""The table of options in src/docs/options.md says what --help says.

    readme_options.py PROGRAM src/docs/options.md           ends with status 1 when it does not
    readme_options.py PROGRAM src/docs/options.md --write   puts it right
"""
import re
import subprocess
import sys

OPTION = re.compile(r"  (?:-(?P<letter>\w), |    )--(?P<name>[\w-]+)(?: (?P<values>\S+))?(?:  +(?P<text>.*))?$")
BEGIN, END = "<!-- options: as --help has them -->\n", "<!-- end of options -->\n"


def options_of(program, command):
    """name -> (letter, values, help text, default) of one command, from its --help."""
    lines = subprocess.run([program, command, "--help"], capture_output=True, text=True, check=True).stdout.splitlines()
    options, last = {}, None
    for line in lines[lines.index("Options [defaults]:") + 1:]:
        option = OPTION.match(line)
        if option:
            last = option["name"]
            options[last] = [option["letter"], option["values"], option["text"] or ""]
        elif not line.strip():
            break
        else:
            options[last][2] += " " + line.strip()
    for values in options.values():
        text = re.fullmatch(r"\s*(.*?)\s*(?:\[([^]]*)\])?", values[2])
        values[2:] = [text[1], text[2] or ""]
    return options


def one_default(defaults):
    """The default of an option, or those of its commands where they differ; of transform commands.md tells."""
    kinds = dict.fromkeys(default for default in defaults.values() if default != "the model's")
    if len(kinds) == 1:
        return next(iter(kinds))
    having = {kind: [command for command, default in defaults.items() if default == kind] for kind in kinds if kind}
    most = max(having, key=lambda kind: len(having[kind]))
    if "" not in kinds and len(having[most]) > 1:  # the usual one, and where it is another
        others = [f"{', '.join(names)}: {kind}" for kind, names in having.items() if kind != most]
        return "; ".join([most, *others])
    return "; ".join(f"{', '.join(names)}: {kind}" for kind, names in having.items())


def table(program):
    text = subprocess.run([program, "--help"], capture_output=True, text=True, check=True).stdout
    commands = re.findall(r"^  scanmf ([a-z-]+) ", text, re.MULTILINE)
    by_command = {command: options_of(program, command) for command in commands}
    names = list(dict.fromkeys(name for options in by_command.values() for name in options))
    yield "| option | default | meaning | for |\n|---|---|---|---|\n"
    for name in names:
        meanings = {}  # values, text -> default of each command where they are these
        for command in commands:
            if name in by_command[command]:
                letter, values, text, default = by_command[command][name]
                meanings.setdefault((values, text), {})[command] = default
        for (values, text), defaults in meanings.items():
            option = (f"-{letter}, " if letter else "") + f"--{name}" + (f" {values}" if values else "")
            where = "all" if list(defaults) == commands else ", ".join(defaults)
            cells = (option, one_default(defaults), text, where)
            yield "| `{}` | {} | {} | {} |\n".format(*(cell.replace("|", "\\|") for cell in cells))


def main():
    program, readme = sys.argv[1:3]
    wanted = BEGIN + "".join(table(program)) + END
    with open(readme, encoding="utf-8") as file:
        text = file.read()
    begin, end = text.find(BEGIN), text.find(END)
    if begin < 0 or end < 0:
        sys.exit(f"{readme} has no place for the options ({BEGIN.strip()} … {END.strip()})")
    if text[begin:end + len(END)] == wanted:
        return
    if sys.argv[3:] != ["--write"]:
        sys.exit(f"The options in {readme} are not those of --help; put them right with: {sys.argv[0]} {program} "
                 f"{readme} --write")
    with open(readme, "w", encoding="utf-8") as file:
        file.write(text[:begin] + wanted + text[end + len(END):])


if __name__ == "__main__":
    main()
