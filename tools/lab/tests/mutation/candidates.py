# SPDX-License-Identifier: GPL-2.0-or-later
"""Every small fault that can be put into a C file: edits of its text that clang's own syntax tree suggests.

clang, by Debian's python3-clang-14, and not Coccinelle, which the distribution has too and which the checks use: it
says exactly from where to where an expression goes, of what type it is, and what a macro made of it; and it says so if
there is a piece of code that it does not understand, where Coccinelle goes on with the next function. Mull and
universalmutator are not in Debian; the first works on a compiled program's bitcode, which a kernel module has none of,
the second on regular expressions.

Called by generate.py. Pure: reads the file and what it includes, changes nothing.
"""

import hashlib
import os
from dataclasses import dataclass

from clang import cindex
from clang.cindex import CursorKind as K
from clang.cindex import TypeKind as T

STATEMENTS = {K.COMPOUND_STMT, K.IF_STMT, K.FOR_STMT, K.WHILE_STMT, K.DO_STMT, K.SWITCH_STMT, K.CASE_STMT,
              K.DEFAULT_STMT, K.LABEL_STMT}
LOOPS_AND_CHECKS = {K.IF_STMT: 0, K.WHILE_STMT: 0, K.CONDITIONAL_OPERATOR: 0, K.DO_STMT: 1}
SHIFTED = {"<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!=", "!=": "=="}
BITS = {"<<", ">>"}
# What only tells people something, or asserts what is so anyway.
SAYS = ("trace_", "pr_", "dev_info", "dev_warn", "dev_err", "dev_dbg", "lockdep_assert", "WARN_ON", "BUILD_BUG", "might_",
        "static_assert", "MODULE_", "EXPORT_SYMBOL", "g_assert", "assert", "error_report", "warn_report", "KUNIT_")
LOCKS = {"mutex_lock": "mutex_unlock", "spin_lock": "spin_unlock", "spin_lock_irq": "spin_unlock_irq",
         "spin_lock_irqsave": "spin_unlock_irqrestore", "down_read": "up_read", "down_write": "up_write",
         "pthread_mutex_lock": "pthread_mutex_unlock"}
BARRIERS = ("smp_", "dma_wmb", "dma_rmb", "dma_mb", "wmb", "rmb", "mb", "barrier")
WAKES = ("wake_up", "kick", "complete", "notify", "queue_work", "queue_delayed_work", "mod_delayed_work")


@dataclass(frozen=True)
class Fault:
    """Replaces the text from START to END (bytes of FILE) by NEW; `more` are further edits that belong to it."""
    file: str
    function: str
    line: int
    kind: str
    start: int
    end: int
    old: str
    new: str
    nth: int = 0            # of those that look the same in the function
    more: tuple = ()

    @property
    def name(self):
        """What stays the same while code elsewhere changes."""
        text = "\0".join((self.file, self.function, self.kind, self.old, self.new, str(self.nth)))
        return hashlib.sha256(text.encode()).hexdigest()[:10]

    def applied(self, text):
        for start, end, new in sorted(((self.start, self.end, self.new), *self.more), reverse=True):
            text = text[:start] + new.encode() + text[end:]
        return text


def find(path, name, arguments):
    """The faults of the file PATH, which is called NAME in a checkout, in the order of its text."""
    unit = cindex.Index.create().parse(path, args=arguments,
                                       options=cindex.TranslationUnit.PARSE_DETAILED_PROCESSING_RECORD)
    errors = [str(d) for d in unit.diagnostics if d.severity >= cindex.Diagnostic.Error]
    if errors:
        raise ValueError(f"clang does not understand {name}: {errors[0]}")
    return Finder(unit, path, name).faults()


def offset(location):
    """File and place of a location. What is written as a macro's argument has its own, what a macro made has the macro's."""
    file, line, column, at = cindex.c_object_p(), cindex.c_uint(), cindex.c_uint(), cindex.c_uint()
    cindex.conf.lib.clang_getFileLocation(location, cindex.byref(file), cindex.byref(line), cindex.byref(column),
                                          cindex.byref(at))
    return (cindex.File(file).name if file else None), at.value


class Finder:
    def __init__(self, unit, path, name):
        self.unit, self.path, self.name = unit, path, name
        with open(path, "rb") as file:
            self.text = file.read()
        self.macros = {}            # where one is used: (its end, its name)
        self.tokens = []
        self.found = {}
        self.function = ""
        self.silent = []            # ranges in which nothing is to be changed
        self.negated = set()

    def faults(self):
        top = unit_file(self.unit, self.path)
        for token in self.unit.get_tokens(extent=top):
            if token.kind != cindex.TokenKind.COMMENT:
                self.tokens.append((token.extent.start.offset, token.extent.end.offset, token.spelling))
        self.at = {start: number for number, (start, _, _) in enumerate(self.tokens)}
        for cursor in self.unit.cursor.get_children():
            file = cursor.location.file
            if file is None or file.name != self.path:
                continue
            if cursor.kind == K.MACRO_INSTANTIATION:
                self.macros[cursor.extent.start.offset] = (cursor.extent.end.offset, cursor.spelling)
            elif self.is_macro(self.extent(cursor)):
                continue
            elif cursor.kind == K.FUNCTION_DECL and cursor.is_definition():
                self.function = cursor.spelling
                self.labels = [c for c in cursor.walk_preorder() if c.kind == K.LABEL_STMT]
                self.silent = []
                self.visit(cursor, None)
                self.lock_pairs(cursor)
            elif cursor.kind == K.VAR_DECL and any(c.kind == K.INIT_LIST_EXPR for c in cursor.get_children()):
                self.function = cursor.spelling
                self.visit(cursor, None)
        return self.numbered()

    def numbered(self):
        seen, result = {}, []
        for fault in sorted(self.found.values(), key=lambda f: (f.start, f.end, f.new)):
            key = (fault.function, fault.kind, fault.old, fault.new)
            seen[key] = seen.get(key, -1) + 1
            result.append(Fault(**{**fault.__dict__, "nth": seen[key]}))
        return result

    def extent(self, cursor, macro=None):
        """From where to where the text of a cursor goes; None if it is not written in this file as such, but made by the
        macro that is written at MACRO."""
        file, start = offset(cursor.extent.start)
        last, end = offset(cursor.extent.end)
        if file != self.path or last != self.path or start >= end or start not in self.at:
            return None
        if start == macro or start in self.macros and end < self.macros[start][0]:
            return None
        return start, end

    def is_macro(self, extent):
        """Is all of it one macro?"""
        return bool(extent) and self.macros.get(extent[0], (0, ""))[0] == extent[1]

    def said(self, extent):
        return self.text[extent[0]:extent[1]].decode()

    def add(self, kind, extent, new, more=()):
        if extent is None or any(a <= extent[0] < b for a, b in self.silent):
            return
        line = self.text.count(b"\n", 0, extent[0]) + 1
        old = self.said(extent)
        if old != new:
            self.found.setdefault((extent, new, more), Fault(self.name, self.function, line, kind, *extent, old, new,
                                                             0, more))

    def visit(self, cursor, parent, macro=None):
        extent = self.extent(cursor, macro)
        called = self.called(cursor, extent)
        if called and called.startswith(SAYS):
            self.silent.append(extent)
            return
        if extent:
            if parent is not None and parent.kind in STATEMENTS and self.is_statement(cursor, parent):
                self.statement(cursor, extent, called)
            self.condition(cursor)
            self.expression(cursor, extent, parent)
            if self.is_macro(extent):
                macro = extent[0]
        for child in cursor.get_children():
            self.visit(child, cursor, macro)

    def called(self, cursor, extent):
        """The name of the function or the macro that a cursor as a whole calls."""
        if self.is_macro(extent):
            return self.macros[extent[0]][1]
        if cursor.kind == K.CALL_EXPR:
            return cursor.spelling or self.said(extent).split("(")[0].split(">")[-1].split(".")[-1] if extent else ""
        return ""

    def is_statement(self, cursor, parent):
        children = list(parent.get_children())
        if parent.kind == K.COMPOUND_STMT:
            return True
        if parent.kind == K.DO_STMT:
            return cursor == children[0]
        return cursor != children[0] or parent.kind in (K.LABEL_STMT, K.DEFAULT_STMT)

    # Statements

    def statement(self, cursor, extent, called):
        end = extent[1]
        number = next((n for n in range(self.at[extent[0]], len(self.tokens)) if self.tokens[n][0] >= end), None)
        if number is None:
            return
        if cursor.kind == K.IF_STMT:
            self.check(cursor, extent, self.tokens[number])
        if cursor.kind == K.DECL_STMT and self.macros.get(extent[0], (0, ""))[1] == "guard":
            self.add("lock left out", extent, ";")
        if self.tokens[number][2] != ";":
            return
        whole = (extent[0], self.tokens[number][1])
        if called:
            if called not in LOCKS:
                self.add(self.kind_of(called), whole, ";")
        elif cursor.kind in (K.BINARY_OPERATOR, K.COMPOUND_ASSIGNMENT_OPERATOR, K.UNARY_OPERATOR):
            self.add("assignment dropped", whole, ";")
        elif cursor.kind == K.GOTO_STMT:
            self.goto(cursor, extent)

    @staticmethod
    def kind_of(called):
        if called in LOCKS.values() or called.endswith("_unlock"):
            return "unlock dropped"
        if called.startswith(BARRIERS):
            return "barrier left out"
        if any(word in called for word in WAKES):
            return "wake-up dropped"
        return "assignment dropped" if called.startswith("WRITE_ONCE") else "call dropped"

    def check(self, cursor, extent, following):
        """An if whose only branch leaves."""
        children = list(cursor.get_children())
        if len(children) != 2:
            return
        last = children[1]
        if last.kind == K.COMPOUND_STMT:
            last = ([None] + list(last.get_children()))[-1]
        if last is None or last.kind not in (K.RETURN_STMT, K.GOTO_STMT, K.BREAK_STMT, K.CONTINUE_STMT):
            return
        condition = self.extent(children[0])
        if condition and "WARN_ON" in self.said(condition):
            return
        end = extent[1] if children[1].kind == K.COMPOUND_STMT else following[1]
        self.add("check dropped", (extent[0], end), ";")

    def goto(self, cursor, extent):
        """The undo goes on one step further down."""
        target = next((c.spelling for c in cursor.get_children() if c.kind == K.LABEL_REF), None)
        names = [label.spelling for label in self.labels]
        if target in names[:-1]:
            self.add("undo step skipped", extent, f"goto {names[names.index(target) + 1]}")

    def lock_pairs(self, function):
        """A lock that is not taken, and not given back."""
        calls = {}
        for cursor in function.walk_preorder():
            extent = self.extent(cursor)
            called = self.called(cursor, extent)
            if called in LOCKS or called in LOCKS.values():
                end = next((t[1] for t in self.tokens[self.at[extent[0]]:] if t[0] >= extent[1]), None)
                calls[extent[0], end] = called, self.said(extent).partition("(")[2]
        for extent, (called, of) in calls.items():
            pair = [e for e, (name, other) in calls.items() if name == LOCKS.get(called) and other == of]
            if pair:
                self.add("lock left out", extent, ";", tuple((*e, ";") for e in pair))

    # Expressions

    def condition(self, cursor):
        children = list(cursor.get_children())
        wanted = []
        if cursor.kind in LOOPS_AND_CHECKS and len(children) > LOOPS_AND_CHECKS[cursor.kind]:
            wanted = [children[LOOPS_AND_CHECKS[cursor.kind]]]
        elif cursor.kind == K.BINARY_OPERATOR and self.operator(children)[2] in ("&&", "||"):
            wanted = children
        for child in wanted:
            extent = self.extent(child)
            if extent and extent != self.extent(cursor) and "WARN_ON" not in self.said(extent):
                self.add("condition negated", extent, f"!({self.said(extent)})")
                self.negated.add(extent)

    def operator(self, children):
        """The token between two operands."""
        none = (0, 0, "")
        if len(children) != 2:
            return none
        left, right = self.extent(children[0]), self.extent(children[1])
        if not left or not right or left[0] not in self.at:
            return none
        between = [t for t in self.tokens[self.at[left[0]]:self.at[right[0]]] if t[0] >= left[1]]
        return between[0] if len(between) == 1 else none

    def expression(self, cursor, extent, parent):
        kind = cursor.kind
        children = list(cursor.get_children())
        if kind == K.BINARY_OPERATOR:
            self.binary(children, extent in self.negated)
        elif kind == K.INTEGER_LITERAL and self.before(extent) != "return":
            self.number(extent)
        elif kind == K.DECL_REF_EXPR:
            self.name_of_constant(cursor, extent)
        elif kind == K.RETURN_STMT and children:
            self.result(children[0])
        if self.is_macro(extent):
            self.macro(cursor, extent, parent)

    def binary(self, children, negated):
        start, end, operator = self.operator(children)
        if operator in ("==", "!=") and negated:
            return
        if operator in SHIFTED:
            self.add("comparison shifted", (start, end), SHIFTED[operator])
        elif operator in BITS:
            right = self.extent(children[1])
            self.add("shift changed", right, f"({self.said(right)} + 1)")
        elif operator in ("+", "-") and children[0].type.get_canonical().kind != T.POINTER:
            self.add("sign exchanged", (start, end), "-" if operator == "+" else "+")
        elif operator == "=":
            self.pointer(children[1])

    def number(self, extent):
        said = self.said(extent)
        try:
            value = int(said.rstrip("uUlL"), 0)
        except ValueError:
            return
        self.add("constant replaced", extent, "1" if value == 0 else "0" if value == 1 else str(value + 1))

    def name_of_constant(self, cursor, extent):
        constant = cursor.referenced
        if constant is None or constant.kind != K.ENUM_CONSTANT_DECL:
            return
        said = self.said(extent)
        if said in ("true", "false"):
            self.add("true and false", extent, "false" if said == "true" else "true")
            return
        names = [c.spelling for c in constant.semantic_parent.get_children() if c.kind == K.ENUM_CONSTANT_DECL]
        if said in names and len(names) > 1:
            self.add("constant replaced", extent, names[(names.index(said) + 1) % len(names)])

    def macro(self, cursor, extent, parent):
        """A constant that is a macro's. A flag among others is left out."""
        said = self.said(extent)
        if said == "NULL" or "(" in said or parent is None or not said.isupper():
            return
        if self.before(extent) == "-":
            self.add("constant replaced", extent, "EBUSY" if said == "EINVAL" else "EINVAL")
        elif "|" in (self.before(extent), self.after(extent)):
            self.add("constant replaced", extent, "0")
        elif cursor.type.get_canonical().kind in (T.INT, T.UINT, T.LONG, T.ULONG, T.LONGLONG, T.ULONGLONG):
            self.add("constant replaced", extent, f"({said} + 1)")

    def before(self, extent):
        number = self.at[extent[0]]
        return self.tokens[number - 1][2] if number else ""

    def after(self, extent):
        return next((t[2] for t in self.tokens[self.at[extent[0]]:] if t[0] >= extent[1]), "")

    def pointer(self, cursor):
        """What is assigned. An argument that is NULL makes almost any function crash, which would flatter the tests."""
        extent = self.extent(cursor)
        if extent and cursor.type.get_canonical().kind == T.POINTER and not self.said(extent).startswith(('"', "NULL")):
            self.add("NULL", extent, "NULL")

    def result(self, cursor):
        extent = self.extent(cursor)
        if not extent:
            return
        said, kind = self.said(extent), cursor.type.get_canonical().kind
        if kind == T.POINTER:
            self.add("return value exchanged", extent, "ERR_PTR(-EINVAL)" if said == "NULL" else "NULL")
        elif said in ("true", "false"):
            return      # a constant that is exchanged anyway
        elif kind == T.BOOL:
            self.add("return value exchanged", extent, f"!({said})")
        else:
            self.add("return value exchanged", extent, "-EINVAL" if said == "0" else "0")


def unit_file(unit, path):
    file = unit.get_file(path)
    return cindex.SourceRange.from_locations(cindex.SourceLocation.from_offset(unit, file, 0),
                                             cindex.SourceLocation.from_offset(unit, file, os.path.getsize(path)))
