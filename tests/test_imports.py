"""Who may import whom, read from the source: rooms in their order, and no circle."""

import ast
import functools
from collections.abc import Iterator, Mapping
from pathlib import Path

import kerasfusion

PACKAGE = Path(kerasfusion.__file__).parent

SHARED = [
    "errors",
    "address",
    "yaml_text",
    "lean_import",
    "keras_settings",
    "config",
    "parallel",
    "progress",
    "reporting",
    "splits",
    "files",
    "shipped",
    "runtime_requirements",
    "figure_style",
    "trainer",
    "machine",
    "images",
    "metrics",
    "trackers",
    "formats",
    "report_page",
]
ROADWORK = [
    "config",
    "cluster",
    "scenes",
    "data",
    "data.importing",
    "challenge",
    "branches",
    "yolo_training",
    "precompute",
    "scoring",
    "detect",
    "evaluate",
    "head",
    "fit",
    "ablate",
    "export",
    "cascade",
    "calibrate",
    "report",
    "suspects",
    "service",
    "miner.whole_model",
    "miner.plugin",
    "miner.check",
    "miner.rehearse",
    "miner.legacy",
    "miner.hub",
    "demo",
    "dry_run",
]
FUME = [
    "config_types",
    "config_augmentation",
    "config_training",
    "config_reading",
    "config",
    "mask_files",
    "data",
    "plumes",
    "networks",
    "detect",
    "films",
    "evaluate",
    "fit",
    "export",
    "ablate",
    "report",
    "demo",
    "dry_run",
]
ROOMS = (
    SHARED
    + [f"roadwork.{room}" for room in ROADWORK]
    + [f"fume.{room}" for room in FUME]
    + ["cli", "__init__", "__main__"]
)
"""In the order in which data passes through them. A room imports rooms above it in this list, never one below."""

# The library is imported, without its side effects, in the first; the second is its trainer with our dataset, which has
# to be a class of theirs.
ULTRALYTICS = (
    "roadwork/branches/ultralytics_library.py",
    "roadwork/yolo_training/ultralytics_trainer.py",
)
OPTIONAL = {
    "ultralytics": ULTRALYTICS,
    "torch": ULTRALYTICS,
    "torchvision": ULTRALYTICS,
    "keras_hub": ("roadwork/branches/vit.py",),
    "keras_cv": ("images/augmentation.py",),
    "pillow_heif": ("images/heif.py",),
    "sklearn": ("roadwork/head/logistic.py",),
    "scipy": ("fume/evaluate/boundary.py",),
    "scipy.spatial": ("fume/evaluate/boundary.py",),
    "flyr": ("images/flir.py",),
    "av": ("fume/films/video_file.py", "fume/films/jpeg_ls.py", "fume/films/live_source.py"),
    "pycocotools": ("fume/mask_files/coco.py",),
    "datasets": ("roadwork/data/importing/sources.py",),
    "ray": ("roadwork/cluster/ray_library.py",),
    "fsspec": ("address.py",),
    "s3fs": (),
    "wandb": ("trackers/wandb_run.py",),
}
"""The files that may import an optional library, inside functions only."""


@functools.cache
def imports(package: Path) -> list[tuple[str, str, bool]]:
    """(file, imported module, at the top of the file) of every import in a package, also those inside functions."""
    return list(_imports(package))


def _imports(package: Path) -> Iterator[tuple[str, str, bool]]:
    for path in sorted(package.rglob("*.py")):
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
                yield path.relative_to(package).as_posix(), name, id(node) in top


def arrows(package: Path = PACKAGE) -> dict[str, set[str]]:
    """{module: modules of the package that it imports}, dotted below the package; a folder's face is not a module."""
    modules = {_module(path.relative_to(package).as_posix()) for path in package.rglob("*.py")}
    found: dict[str, set[str]] = {module: set() for module in modules}
    for file, name, _ in imports(package):
        if name.removeprefix("kerasfusion.") in modules and name.startswith("kerasfusion."):
            found[_module(file)].add(name.removeprefix("kerasfusion."))
    return found


def _module(file: str) -> str:
    return file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def room_of(module: str) -> str | None:
    """The room that a module belongs to; None for a folder's face."""
    inside = [room for room in ROOMS if module == room or module.startswith(f"{room}.")]
    return max(inside, key=len, default=None)


def back_arrows(of_module: Mapping[str, set[str]]) -> list[str]:
    """The imports that run against the order of rooms, or from one system into the other."""
    wrong = []
    for module, imported in of_module.items():
        for other in imported:
            here, there = room_of(module), room_of(other)
            systems = {each.split(".")[0] for each in (module, other)}
            if here is None or there is None or here == there:
                continue
            if ROOMS.index(there) > ROOMS.index(here) or systems == {"roadwork", "fume"}:
                wrong.append(f"{module} imports {other}")
    return sorted(wrong)


def circle(graph: Mapping[str, set[str]]) -> list[str]:
    """A circle in a graph, its first node again at the end; empty if there is none."""
    done: set[str] = set()
    path: list[str] = []

    def walk(node: str) -> list[str]:
        if node in path:
            return [*path[path.index(node) :], node]
        if node in done:
            return []
        path.append(node)
        for following in sorted(graph.get(node, ())):
            if found := walk(following):
                return found
        done.add(path.pop())
        return []

    return next((found for node in sorted(graph) if (found := walk(node))), [])


def folders(of_module: Mapping[str, set[str]]) -> dict[str, set[str]]:
    """The same arrows between folders: `roadwork.fit` for `roadwork.head.fitting`; a file that is a room is its own."""

    def folder(module: str) -> str:
        return module if module in ROOMS else module.rpartition(".")[0] or module

    found: dict[str, set[str]] = {}
    for module, imported in of_module.items():
        found.setdefault(folder(module), set()).update({folder(other) for other in imported} - {folder(module)})
    return found


def test_every_file_belongs_to_a_room():
    homeless = [module for module in arrows() if room_of(module) is None]
    assert all((PACKAGE / module.replace(".", "/") / "__init__.py").is_file() for module in homeless), homeless


def test_imports_follow_the_order_of_rooms_and_the_systems_stay_apart():
    assert back_arrows(arrows()) == []


def test_no_circle_of_files_or_folders():
    assert circle(arrows()) == []
    assert circle(folders(arrows())) == []


def plant(folder: Path, files: Mapping[str, str]) -> dict[str, set[str]]:
    """The arrows of a package of our own making."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return arrows(folder)


def test_a_planted_back_arrow_is_found_also_inside_a_function(tmp_path):
    graph = plant(
        tmp_path,
        {
            "roadwork/fit/job.py": "",
            "roadwork/detect/detector.py": "def f():\n    from kerasfusion.roadwork.fit import job\n",
            "fume/data/frames.py": "",
            "roadwork/report/page.py": "import kerasfusion.fume.data.frames",
            "cli/main.py": "from kerasfusion.roadwork.fit import job",
        },
    )
    assert back_arrows(graph) == [
        "roadwork.detect.detector imports roadwork.fit.job",
        "roadwork.report.page imports fume.data.frames",
    ]


def test_a_planted_circle_is_found(tmp_path):
    files = {
        "roadwork/fit/a.py": "from kerasfusion.roadwork.fit import b",
        "roadwork/fit/b.py": "from kerasfusion.roadwork.fit.c import x",
        "roadwork/fit/c.py": "def f():\n    from kerasfusion.roadwork.fit.a import y\n",
    }
    names = [f"roadwork.fit.{letter}" for letter in "abca"]
    assert circle(plant(tmp_path / "files", files)) == names

    graph = plant(
        tmp_path / "folders",
        {
            "files/a.py": "from kerasfusion.images import b",
            "images/b.py": "",
            "images/c.py": "from kerasfusion.files.d import x",
            "files/d.py": "",
        },
    )
    assert circle(graph) == []
    assert circle(folders(graph)) == ["files", "images", "files"]


def test_a_folder_says_in_three_lines_what_it_is_for_and_does_nothing_else():
    for path in PACKAGE.rglob("__init__.py"):
        if path.parent == PACKAGE:
            continue
        (docstring,) = ast.parse(path.read_text(encoding="utf-8")).body
        assert len(ast.literal_eval(docstring.value).splitlines()) <= 3, path


def test_optional_libraries_are_imported_in_few_files_inside_functions():
    for file, name, at_top in imports(PACKAGE):
        library = name.split(".")[0]
        if library in OPTIONAL:
            assert file in OPTIONAL[library], f"{file} imports {name}"
            assert not at_top, f"{file} imports {name} at its top"


def test_the_command_line_imports_the_work_inside_its_functions():
    for file, name, at_top in imports(PACKAGE):
        if file.startswith("cli/") and at_top and name.startswith("kerasfusion."):
            assert name.startswith(("kerasfusion.cli", "kerasfusion.errors", "kerasfusion.__version__")), (
                f"{file}: {name}"
            )
