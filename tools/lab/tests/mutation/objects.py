# SPDX-License-Identifier: GPL-2.0-or-later
"""Compiles one file as whoever builds it did, to see whether a fault compiles and whether it changes anything.

A fault that makes the same object is none. What only debuggers read does not count.
"""

import json
import os
import re
import shlex
import subprocess

OUT = "build/mutation/objects"
# What clang 14 has to know of the flags of gcc and of a newer kernel's Makefile. All else is about code that it does not make.
KNOWN = re.compile(r"-(I|D|U|isystem|iquote|nostdinc|std=|fshort-wchar|funsigned-char|fms-extensions)")
WITH_VALUE = ("-include", "-I", "-D", "-isystem", "-iquote")


class Objects:
    """Needs of who builds: command(file), its words up to the object's name, the folder it runs in, and the file's path."""

    def __init__(self):
        self.whole = {}

    def command(self, file):
        raise NotImplementedError

    def arguments(self, file):
        """Those for clang."""
        words, folder, _ = self.command(file)
        kept = [f"-working-directory={folder}"]
        for word, value in zip(words, words[1:] + [""]):
            if word in WITH_VALUE:
                kept += [word, value]
            elif KNOWN.match(word):
                kept.append(word)
        return kept

    def path(self, file):
        return self.command(file)[2]

    def differs(self, file, text):
        """Does the object become another one? None if it does not compile. TEXT has the lines where they were."""
        if file not in self.whole:
            with open(self.path(file), "rb") as whole:
                self.whole[file] = self._compiled(file, whole.read())
            if self.whole[file] is None:
                raise ValueError(f"{file} does not compile by its own command")
        made = self._compiled(file, text)
        return None if made is None else made != self.whole[file]

    def _compiled(self, file, text):
        """The object without debugging information; None if there is none."""
        source = os.path.abspath(f"{OUT}/{os.getpid()}/{os.path.basename(file)}")
        target = source.removesuffix(".c") + ".o"
        os.makedirs(os.path.dirname(source), exist_ok=True)
        with open(source, "wb") as out:
            out.write(text)
        words, folder, path = self.command(file)
        # what only the linker misses, as ERR_PTR() outside of a kernel, is no fault either
        done = subprocess.run([*words, "-g0", "-Werror=implicit-function-declaration", "-iquote", os.path.dirname(path), "-o", target,
                               "-c", source], cwd=folder, capture_output=True, check=False)
        if done.returncode:
            return None
        with open(target, "rb") as made:
            return made.read()


def saved(path):
    """What kbuild ran to make PATH, and where; None for the kernel's own folder. Behind a compiler's: objtool."""
    folder, name = os.path.split(path)
    with open(f"{folder}/.{name}.cmd", encoding="utf-8") as file:
        target, command = file.readline().split(":=", 1)
    target = target.strip().removeprefix("savedcmd_")
    return (None if target.startswith("/") else path.removesuffix(target)), command


def kept(words):
    """Without the files that it reads and writes."""
    found, skip = [], False
    for word in words:
        if not skip and word not in ("-c", "-MD", "-MMD", "-MP") and not word.startswith("-Wp,-MMD"):
            if word in ("-o", "-MF", "-MQ"):
                skip = True
            elif not word.endswith(".c"):
                found.append(word)
            continue
        skip = False
    return found


class Kbuild(Objects):
    """The driver's modules for one kernel, which the lab has built in CHECKOUT."""

    def __init__(self, checkout, kernel):
        super().__init__()
        self.tree = f"{checkout}/build/modules/{kernel}/tree"

    def command(self, file):
        folder, name = os.path.split(f"{self.tree}/{file}")
        with open(f"{folder}/.{name.removesuffix('.c')}.o.cmd", encoding="utf-8") as command:
            words = shlex.split(command.readline().split(":=", 1)[1])
        return kept(words[:words.index("-o")]), self.tree, f"{self.tree}/{file}"     # behind it: objtool


class Make(Objects):
    """What a Makefile would run to build all of FOLDER."""

    def __init__(self, checkout, folder):
        super().__init__()
        said = subprocess.run(["make", "-s", "-n", "-B", "-C", folder, f"O={checkout}/{OUT}/never"], check=True, text=True,
                              capture_output=True).stdout
        self.commands = {}
        for words in map(shlex.split, said.replace("\\\n", " ").splitlines()):
            if "-c" in words:
                path = os.path.join(checkout, folder, next(word for word in words if word.endswith(".c")))
                path = os.path.normpath(path)
                self.commands[os.path.relpath(path, checkout)] = kept(words), os.path.join(checkout, folder), path

    def command(self, file):
        return self.commands[file]


class Ninja(Objects):
    """The model, which is compiled in QEMU's tree; its sources are those of CHECKOUT."""

    def __init__(self, checkout, build, folder):
        super().__init__()
        self.checkout, self.build = checkout, build
        with open(f"{build}/compile_commands.json", encoding="utf-8") as file:
            self.commands = {f"{folder}{os.path.basename(entry['file'])}": shlex.split(entry["command"])
                             for entry in json.load(file) if "/hw/net/connectx/" in entry["file"]}

    def command(self, file):
        return kept(self.commands[file]), self.build, f"{self.checkout}/{file}"
