"""The exports of the fused model that compete with it: every precision that OpenVINO runs."""

from collections.abc import Callable
from importlib.util import find_spec

from bench_peers.material import Material
from bench_peers.processes import ProcessFailed, run

PRECISIONS = ("float32", "bfloat16", "int8")


def why_missing() -> str:
    """Why there is no export to compare."""
    if find_spec("openvino") is None:
        return 'openvino is not installed: pip install "kerasfusion[export]"'
    return "no export answers near enough to the .keras file"


def make_exports(material: Material, report: Callable[[str], None]) -> dict[str, str]:
    """Write the exports that are not there yet; one that `kerasfusion export` refuses is reported and left out.

    Returns:
        {"openvino PRECISION": file}; empty without openvino.
    """
    if find_spec("openvino") is None:
        return {}
    found, samples = {}, material.work / "scenes" / "train"
    for precision in PRECISIONS:
        path = material.work / "exports" / f"fusion-{precision}.xml"
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            report(f"exporting: openvino {precision}")
            options = ["--format", "openvino", "--precision", precision, "--out", path, "--samples", samples]
            try:
                run(["-m", "kerasfusion", "export", material.fusion, *options], material.work, "export")
            except ProcessFailed as error:
                report(str(error))
                continue
        found[f"openvino {precision}"] = str(path)
    return found
