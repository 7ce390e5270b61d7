"""The module that answers in a miner, and the one line that has the miner import it."""

import ast
from importlib.resources import files
from string import Template

from kerasfusion.errors import RequestError
from kerasfusion.roadwork.miner.plugin.layout import CONFIG, DETECTOR, MODULE, Layout

CLASS = "InceptionFusionDetector"
IMPORT_LINE = f"from .{MODULE} import {CLASS}  # added by kerasfusion miner install"


def module_text(layout: Layout) -> bytes:
    """The module as it is written into a tree."""
    template = files("kerasfusion.roadwork.miner.plugin").joinpath(f"{MODULE}.txt").read_text(encoding="utf-8")
    text = Template(template).substitute(package=layout.package, config=CONFIG, detector=DETECTOR)
    # A fork's own module of this name may have called its class otherwise.
    others = [name for name in imported_names(layout) if name not in (CLASS, "*")]
    aliases = "".join(f"{name} = {CLASS}\n" for name in others)
    return (text + (f"\n\n{aliases}" if aliases else "")).encode()


def imported_names(layout: Layout) -> list[str]:
    """What detectors/__init__.py imports from the module, with "*" for the module itself or all of it.

    Raises:
        RequestError: that file is not valid Python.
    """
    path = layout.detectors / "__init__.py"
    try:
        tree = ast.parse(path.read_bytes())
    except SyntaxError as error:
        raise RequestError(f"not valid Python: {error.msg}, line {error.lineno}", where=path) from error
    names = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module in (MODULE, f"{layout.package}.detectors.{MODULE}"):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names += ["*" for alias in node.names if alias.name.split(".")[-1] == MODULE]
    return names
