"""Runs in the miner's own Python, which may be 3.10 and has no kerasfusion: answer one photo as the miner does.

    PYTHON -c TEXT_OF_THIS_FILE REQUEST.json RESULT.json

The request: {"package", "detector", "config", "device", "image", "names"}. The result is written twice: at first what
is installed, then, if all went well, with the answer, or with the name of a module that is missing.
"""

import base64
import importlib
import importlib.metadata
import io
import json
import platform
import re
import sys
import time
from pathlib import Path


def main(request_file, result_file):
    request = json.loads(Path(request_file).read_text(encoding="utf-8"))
    result = what_is_installed(set(request["names"]))
    Path(result_file).write_text(json.dumps(result), encoding="utf-8")
    try:
        result.update(answer(request))
    except ModuleNotFoundError as error:
        # The detector imports kerasfusion last, so that whatever is missing by then is missing for it.
        # A part of it that is missing is another matter: the plug-in is of another version.
        is_part = str(error.name).startswith("kerasfusion.")
        result["missing"] = "kerasfusion" if "kerasfusion" in sys.modules and not is_part else error.name
        Path(result_file).write_text(json.dumps(result), encoding="utf-8")
        raise
    Path(result_file).write_text(json.dumps(result), encoding="utf-8")


def what_is_installed(names):
    """Versions of the named packages (the first on the path counts), and what every package asks of them."""
    installed, asked = {"python": platform.python_version()}, []
    for package in importlib.metadata.distributions():
        name = canonical(package.metadata["Name"] or "")
        if name in names:
            installed.setdefault(name, package.version)
        if name != "kerasfusion":
            lines = [line for line in package.requires or [] if canonical(re.split(r"[^\w.-]", line)[0]) in names]
            asked += [[name, line] for line in lines]
    return {"installed": installed, "asked": asked}


def answer(request):
    """Take the detector from the miner's registry and give it a photo that came as text."""
    from PIL import Image

    begin = time.perf_counter()
    importlib.import_module(request["package"] + ".detectors")
    registry = importlib.import_module(request["package"] + ".registry").DETECTOR_REGISTRY
    device = request["device"]
    if device == "auto":
        device = importlib.import_module("natix.utils.config").get_device()
    detector = registry[request["detector"]](config_name=request["config"], device=device)
    load_s = time.perf_counter() - begin
    text = base64.b64encode(Path(request["image"]).read_bytes())
    begin = time.perf_counter()
    p_roadwork = float(detector(Image.open(io.BytesIO(base64.b64decode(text)))))
    if not 0 <= p_roadwork <= 1:  # also where it is NaN
        raise ValueError(f"the model is broken: the detector answered {p_roadwork}, expected a number in 0..1")
    return {"p_roadwork": p_roadwork, "load_s": load_s, "answer_s": time.perf_counter() - begin}


def canonical(name):
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    main(*sys.argv[1:])
