"""Choose where TensorFlow computes, before it starts up."""

from pathlib import Path

from kerasfusion.errors import RequestError


def use_device(path: Path | None, device: str) -> None:
    """`select_device` for what computes in TensorFlow: a `.keras` file, or, without a file, the default ViT.

    Raises:
        RequestError: a GPU is asked for that is not there, or for a file that does not use one.
    """
    if path is None or path.suffix == ".keras":
        select_device(device)
    elif device == "gpu":
        raise RequestError("only a .keras file computes on a GPU", where=path, todo="--device cpu")


def select_device(name: str) -> str:
    """Restrict TensorFlow to the CPU, or make sure that there is a GPU.

    Args:
        name: "cpu", "gpu", or "auto" (a GPU if there is one).

    Returns:
        "cpu" or "gpu".

    Raises:
        RequestError: a GPU is asked for and TensorFlow sees none.
    """
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    if name == "gpu" and not gpus:
        raise RequestError(
            "TensorFlow sees no GPU", where="--device gpu", todo="--device cpu, or pip install tensorflow[and-cuda]"
        )
    if name == "cpu" and gpus:
        tf.config.set_visible_devices([], "GPU")
    return "gpu" if gpus and name != "cpu" else "cpu"
