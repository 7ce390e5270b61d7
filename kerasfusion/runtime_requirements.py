"""What running exports takes, a line each, for pip: what this package asks for but TensorFlow and Keras, and a runtime.

    python -m kerasfusion.runtime_requirements onnx serve > runtime.txt

It runs where nothing but this package is installed yet (pip install --no-deps). The names say which formats are to be
run, and `serve` that `miner serve` is.
"""

import argparse
import importlib.metadata
import re

FRAMEWORK = ("tensorflow", "keras")
RUNTIMES = {"openvino": "openvino", "onnx": "onnxruntime", "litert": "ai-edge-litert"}
"""Format -> the package of the extra `runtime` that runs it."""


def list_requirements(formats: list[str], lines: list[str]) -> list[str]:
    """The lines for pip.

    Args:
        formats: keys of RUNTIMES, and "serve".
        lines: what the package asks for, as its metadata says it.
    """
    runtimes = [RUNTIMES[name] for name in formats if name in RUNTIMES]
    found = []
    for line in lines:
        name = re.match(r"[\w.-]+", line)[0].lower()
        extra = re.search(r"""extra == ["'](\w+)["']""", line)
        if extra is None and name not in FRAMEWORK:
            found.append(line)
        elif extra and (name in runtimes if extra[1] == "runtime" else extra[1] == "serve" and "serve" in formats):
            found.append(line.partition(";")[0].strip())
    return found


def main() -> None:
    """Print them."""
    parser = argparse.ArgumentParser(
        prog="python -m kerasfusion.runtime_requirements", description=__doc__.split("\n")[0]
    )
    parser.add_argument("formats", nargs="+", choices=[*RUNTIMES, "serve"], metavar="|".join([*RUNTIMES, "serve"]))
    lines = importlib.metadata.requires("kerasfusion") or []
    print("\n".join(list_requirements(parser.parse_args().formats, lines)))


if __name__ == "__main__":
    main()
