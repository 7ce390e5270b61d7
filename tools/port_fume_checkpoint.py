#!/usr/bin/env python3
"""A checkpoint of taminulislam/fume as a `.keras` file, read without torch and without running its pickle.

    .venv/bin/python tools/port_fume_checkpoint.py best_model.pth fume.keras

The network (FUMEFastSCNN with one encoder or two, FUMEFastSCNNConcat, or a baseline) is recognised by its weights.
"""

import sys
from pathlib import Path

import click

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # kerasfusion as it is in this checkout

from kerasfusion.errors import KerasFusionError, RequestError  # noqa: E402


@click.command()
@click.argument("checkpoint", type=click.Path(path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--image-size", type=(int, int), default=(640, 480), show_default=True, help="Width and height, pixels.")
def main(checkpoint: Path, out: Path, image_size: tuple[int, int]) -> None:
    """Turn CHECKPOINT (best_model.pth) into OUT (.keras)."""
    from kerasfusion.cli.quiet import import_tensorflow

    import_tensorflow()
    try:
        click.echo(port(checkpoint, out, image_size))
    except KerasFusionError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)


def port(checkpoint: Path, out: Path, image_size: tuple[int, int]) -> str:
    """Convert a checkpoint; the saved file has answered in a clean process as the network in memory does.

    Args:
        checkpoint: of the reference, a state dict or a dict that keeps one.
        out: `.keras` file.
        image_size: (width, height) of the frames, divisible by 32.

    Returns:
        What was found and where it went.

    Raises:
        RequestError: the checkpoint cannot be read, or its weights are not those of a known network.
        KerasFusionError: the saved file answers otherwise.
    """
    from kerasfusion.config import load_config
    from kerasfusion.fume.config import FumeConfig
    from port_fume.conversion import convert, read_weights, recognise_model

    if out.suffix != ".keras":
        raise RequestError("not a name for a Keras model", where=out, expected="a name that ends in .keras")
    weights = read_weights(checkpoint)
    name, shared = recognise_model(weights, checkpoint)
    flags = {"model.name": name, "model.shared_encoder": shared, "data.image_size": list(image_size)}
    config = load_config(FumeConfig, flags=flags)
    network = convert(weights, config, checkpoint)
    description = _save(network, config, out)
    encoders = "one encoder" if shared or "co2" not in network.input else "an encoder for each gas"
    return f"{name}, {encoders}, {description['trainable_parameters']:,} trainable parameters\nwritten to {out}"


def _save(network, config, out: Path) -> dict:
    from kerasfusion.files.saving import save_model
    from kerasfusion.fume.fit.description import describe
    from kerasfusion.fume.networks.architectures import with_probabilities

    model = with_probabilities(network)
    description = describe(config, model)
    save_model(model, out, description, _sample(model))
    return description


def _sample(model) -> dict:
    """Inputs of one sample: noise, both gases there."""
    import numpy as np

    numbers, sample = np.random.default_rng(0), {}
    for name, tensor in model.input.items():
        shape, dtype = (1, *tensor.shape[1:]), tensor.dtype
        frame = numbers.uniform(0, 255, shape) if len(shape) == 4 else np.ones(shape)
        sample[name] = frame.astype(dtype)
    return sample


if __name__ == "__main__":
    main()
