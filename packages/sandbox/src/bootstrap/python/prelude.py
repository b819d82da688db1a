"""Leaves out the definitions of a prelude that a check does not use.

A prelude is often the whole prompt of a problem, of which the check needs one helper or nothing;
`from typing import List` alone costs as much as starting Python. Only a prelude that consists of
imports and plain function definitions is pruned, since dropping one of those changes nothing else.
"""

import _ast

# compile() flag of `ast.parse`; `ast` itself is too slow to import.
_ONLY_AST = 0x400
_DYNAMIC = {"globals", "locals", "vars", "eval", "exec", "__import__", "dir", "getattr", "sys", "importlib"}


def _names(code, found):
    found.update(code.co_names)
    found.update(code.co_freevars)
    for constant in code.co_consts:
        if type(constant) is type(code):
            _names(constant, found)
    return found


def _bound(statement):
    """The names that a statement binds, or None if leaving it out could change something else."""
    kind = type(statement)
    if kind is _ast.Import:
        return {(alias.asname or alias.name).split(".")[0] for alias in statement.names}
    if kind is _ast.ImportFrom:
        names = {alias.asname or alias.name for alias in statement.names}
        return None if "*" in names or statement.module == "__future__" else names
    if kind is _ast.FunctionDef and not statement.decorator_list:
        return {statement.name}
    if kind is _ast.Expr and type(statement.value) is _ast.Constant:
        return set()
    return None


def needed(source, check, provided):
    """The compiled part of the prelude that `check`, a code object, can reach; None if there is none."""
    if not source.strip():
        return None
    tree = compile(source, "<prelude>", "exec", _ONLY_AST, dont_inherit=True)
    wanted = _names(check, set())
    bound = [_bound(statement) for statement in tree.body]
    if not wanted & _DYNAMIC and None not in bound:
        kept, grown = set(), True
        while grown:
            grown = False
            for index, statement in enumerate(tree.body):
                if index in kept or not (bound[index] - set(provided)) & wanted:
                    continue
                kept.add(index)
                grown = True
                alone = _ast.Module(body=[statement], type_ignores=[])
                _names(compile(alone, "<prelude>", "exec", dont_inherit=True), wanted)
        tree.body = [statement for index, statement in enumerate(tree.body) if index in kept]
    return compile(tree, "<prelude>", "exec", dont_inherit=True) if tree.body else None
