"""What is declared in more than one place is the same: parameters, defaults, names, stubs, documentation."""
import ast
import inspect
import os
import re
import subprocess
import sys

import pytest
import sklearn.decomposition

import scanmf
from scanmf import _core

BOTH = pytest.mark.parametrize("name, estimator", [("NMF", "nmf"), ("MiniBatchNMF", "minibatch-nmf")])
PACKAGE = os.path.dirname(scanmf.__file__)


def defaults(function):
    return {
        name: parameter.default
        for name, parameter in inspect.signature(function).parameters.items() if name not in ("self", "X")
    }


@BOTH
def test_defaults_are_the_librarys_and_scikit_learns(name, estimator):
    ours = defaults(getattr(scanmf, name).__init__)
    theirs = defaults(getattr(sklearn.decomposition, name).__init__)
    library = _core.defaults(estimator)
    for parameter, default in theirs.items():
        assert ours[parameter] == default and type(ours[parameter]) is type(default), parameter
    run = set(getattr(scanmf, name)._of_the_run)
    assert set(ours) - run == set(library) | {"random_state"}
    for parameter in set(library) - {"n_components", "alpha_H"}:
        assert ours[parameter] == library[parameter], parameter
    assert ours["alpha_H"] == "same" and ours["n_components"] in (None, "auto")


def test_the_functions_defaults_are_the_classes():
    ours, theirs = (defaults(module.non_negative_factorization) for module in (scanmf, sklearn.decomposition))
    for parameter, default in theirs.items():
        assert ours[parameter] == default, parameter
    of_class = defaults(scanmf.NMF.__init__)
    for parameter in set(ours) - {"W", "H", "update_H"}:
        assert ours[parameter] == of_class[parameter], parameter


@BOTH
def test_every_parameter_is_constrained_and_documented(name, estimator):
    kind = getattr(scanmf, name)
    parameters = set(defaults(kind.__init__))
    assert parameters == set(kind._parameter_constraints) == set(kind().get_params())
    section = kind.__doc__.split("Parameters\n")[1].split("Attributes\n")[0]
    documented = [
        entry.strip() for line in section.splitlines()
        if line.startswith("    ") and " : " in line and not line.startswith("     ")
        for entry in line.split(" : ")[0].split(",")
    ]
    assert documented == list(defaults(kind.__init__)), "in the order of the signature"


@BOTH
def test_every_attribute_is_documented(name, estimator):
    import numpy as np
    import pandas as pd

    model = getattr(scanmf, name)(2, random_state=0).fit(pd.DataFrame(np.ones((6, 3)), columns=list("abc")))
    section = type(model).__doc__.split("Attributes\n")[1].split("See Also")[0]
    for attribute in (found for found in vars(model) if found.endswith("_") and not found.startswith("_")):
        assert f"    {attribute} : " in section, attribute


def test_public_functions_have_docstrings_of_numpydoc():
    for name in scanmf.__all__:
        item = getattr(scanmf, name)
        functions = [item] if inspect.isfunction(item) else []
        if inspect.isclass(item) and issubclass(item, scanmf.NMF.__mro__[1]):
            functions = [
                method for key, method in inspect.getmembers(item, inspect.isfunction)
                if not key.startswith("_") and method.__module__.startswith("scanmf")
            ]
        if inspect.ismodule(item):
            functions = [
                function for key, function in vars(item).items()
                if inspect.isfunction(function) and not key.startswith("_")
            ]
        for function in functions:
            text = inspect.getdoc(function)
            for parameter in inspect.signature(function).parameters.values():
                shown = "**" * (parameter.kind == parameter.VAR_KEYWORD) + parameter.name
                listed = re.search(rf"(?m)^([\w, *]+, )?{re.escape(shown)}(, [\w, *]+)? : ", text)
                assert parameter.name == "self" or listed, (name, function, parameter)


def test_the_stub_has_what_the_module_has():
    with open(os.path.join(PACKAGE, "_core.pyi")) as file:
        tree = ast.parse(file.read())
    stub = {node.name: node for node in tree.body if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
    module = {name for name in vars(_core) if not name.startswith("__")}
    assert set(stub) == module
    methods = {node.name for node in stub["Session"].body if isinstance(node, ast.FunctionDef)}
    assert methods == {name for name in vars(_core.Session) if not name.startswith("__")} | {"__init__"}


def test_a_typed_program():
    client = os.path.join(os.path.dirname(__file__), "typed_client.py")
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", "--cache-dir", os.devnull, client],
        capture_output=True, text=True, env={
            **os.environ, "MYPYPATH": os.path.dirname(PACKAGE)
        })
    assert done.returncode == 0, done.stdout + done.stderr
