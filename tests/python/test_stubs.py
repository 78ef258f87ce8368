"""The stubs name what the extension module has, and nothing else."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
import raptors as r
from raptors import _core

STUBS = ast.parse((Path(r.__file__).parent / "_core.pyi").read_text())


def stubbed(body: list[ast.stmt]) -> set[str]:
    """Public names that these statements declare."""
    names: set[str] = set()
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.add(node.target.id)
        elif isinstance(node, ast.Assign):
            names.update(target.id for target in node.targets if isinstance(target, ast.Name))
    return {name for name in names if not name.startswith("_")}


def public(namespace: object) -> set[str]:
    return {name for name in vars(namespace) if not name.startswith("_")}


def test_module_names() -> None:
    assert stubbed(STUBS.body) == public(_core)


CLASSES = {node.name: node for node in STUBS.body if isinstance(node, ast.ClassDef)}


@pytest.mark.parametrize("name", sorted(name for name in CLASSES if hasattr(_core, name)))
def test_class_members(name: str) -> None:
    assert stubbed(CLASSES[name].body) == public(getattr(_core, name))
