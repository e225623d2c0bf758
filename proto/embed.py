#!/usr/bin/env python3
"""Turn text files into one C source: embed.py OUT.c [--prelude FILE] FILE...
Each FILE becomes `const char NAME_EXT[]` (dots and dashes become underscores). With --prelude that text stands before
every other file's (behind its `#!` line, which Redis wants first): so the Lua scripts share their library.

embed.py OUT.c --steps NAME FIRST [FILE...] makes one array of FIRST.sql, FIRST+1.sql, ..., in that order, which ends with NULL."""
import os
import sys


def c_string(text):
    lines = text.splitlines(keepends=True) or [""]
    quoted = (line.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("?", "\\?") for line in lines)
    return "\n".join(f'    "{line}"' for line in quoted)


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def write_steps(out, name, first, paths):
    number = lambda path: int(os.path.basename(path).split(".")[0])
    paths = sorted(paths, key=number)
    if [number(path) for path in paths] != list(range(first, first + len(paths))):
        sys.exit(f"{name}: expected {first}, {first + 1}, ... without a gap")
    with open(out, "w", encoding="utf-8") as f:
        texts = "".join(f"{c_string(read(path))},\n" for path in paths)
        f.write(f"/* made by embed.py: do not edit */\nextern const char *const {name}[];\nconst char *const {name}[] = {{\n{texts}    0\n}};\n")


def main():
    out, paths = sys.argv[1], sys.argv[2:]
    if paths[0] == "--steps":
        return write_steps(out, paths[1], int(paths[2]), paths[3:])
    prelude = ""
    if paths[0] == "--prelude":
        prelude, paths = read(paths[1]), paths[2:]
    with open(out, "w", encoding="utf-8") as f:
        f.write("/* made by embed.py: do not edit */\n")
        for path in paths:
            name = os.path.basename(path).replace(".", "_").replace("-", "_")
            text, flags = read(path), ""
            if text.startswith("#!"):
                flags, text = text.split("\n", 1)
                flags += "\n"
            f.write(f"extern const char {name}[];\nconst char {name}[] =\n{c_string(flags + prelude + text)};\n")


main()
