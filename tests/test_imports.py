"""Who may import whom, read from the source."""

import ast
from pathlib import Path

import kerasfusion

PACKAGE = Path(kerasfusion.__file__).parent
SYSTEMS = ("roadwork", "fume")
OPTIONAL = {
    "ultralytics": "roadwork/yolo.py",
    "torch": "roadwork/yolo.py",
    "keras_hub": "roadwork/vit.py",
    "keras_cv": "augmentation.py",
    "datasets": "roadwork/import_sources.py",
    "wandb": "wandb_run.py",
}


def imports():
    """(file, imported module, at the top of the file) of every import in the package."""
    for path in PACKAGE.rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        top = {id(node) for node in tree.body}
        for node in ast.walk(tree):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
            elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "require":
                names = [argument.value for argument in node.args if isinstance(argument, ast.Constant)]
            for name in names:
                yield path.relative_to(PACKAGE).as_posix(), name, id(node) in top


def test_optional_libraries_are_imported_in_one_file_inside_functions():
    for file, name, at_top in imports():
        library = name.split(".")[0]
        if library in OPTIONAL:
            assert file == OPTIONAL[library], f"{file} imports {name}"
            assert not at_top, f"{file} imports {name} at its top"


def test_imports_go_down_only():
    for file, name, _ in imports():
        if not name.startswith("kerasfusion."):
            continue
        importer, imported = file.split("/")[0], name.split(".")[1]
        if importer in SYSTEMS:
            assert imported not in {"cli", *SYSTEMS} - {importer}, f"{file} imports {name}"
        elif importer not in ("cli", "__main__.py"):
            assert imported not in {"cli", *SYSTEMS}, f"{file} imports {name}"


def test_the_command_line_imports_the_work_inside_its_functions():
    for file, name, at_top in imports():
        if file.startswith("cli/") and at_top and name.startswith("kerasfusion."):
            assert name.startswith(("kerasfusion.cli", "kerasfusion.errors", "kerasfusion.__version__")), (
                f"{file}: {name}"
            )
