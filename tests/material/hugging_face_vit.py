"""Write a tiny ViT in the Hugging Face hub's own format, without torch."""

import json
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

LAYERS, HIDDEN, MLP, HEADS, PATCH, SIZE = 2, 32, 48, 4, 16, 64
MEAN, STD = [0.5, 0.4, 0.6], [0.5, 0.4, 0.3]


def write_vit(
    folder: Path,
    names: tuple[str, str] = ("None", "Roadwork"),
    seed: int = 0,
    network: dict | None = None,
    **changes,
) -> Path:
    """A ViTForImageClassification checkpoint with random weights.

    Args:
        folder: where to write.
        names: class names in the order of the logits.
        seed: of the weights.
        network: keys of config.json to overwrite, of which the weights' shapes follow.
        changes: keys of preprocessor_config.json to overwrite.
    """
    config = {
        "architectures": ["ViTForImageClassification"],
        "model_type": "vit",
        "hidden_size": HIDDEN,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "intermediate_size": MLP,
        "image_size": SIZE,
        "patch_size": PATCH,
        "num_channels": 3,
        "hidden_act": "gelu",
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
        "layer_norm_eps": 1e-12,
        "qkv_bias": True,
        "id2label": {str(number): name for number, name in enumerate(names)},
        "label2id": {name: number for number, name in enumerate(names)},
    } | (network or {})
    folder.mkdir(parents=True, exist_ok=True)
    save_file(_tensors(config, seed), folder / "model.safetensors", metadata={"format": "pt"})
    processor = {
        "image_processor_type": "ViTImageProcessor",
        "do_resize": True,
        "size": {"height": config["image_size"], "width": config["image_size"]},
        "resample": 2,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": MEAN,
        "image_std": STD,
    } | changes
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "preprocessor_config.json").write_text(json.dumps(processor))
    return folder


def _tensors(config: dict, seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)

    def weights(*shape):
        return rng.normal(0, 1.6 / np.sqrt(shape[-1]), shape).astype(np.float32)

    width, mlp, patch = config["hidden_size"], config["intermediate_size"], config["patch_size"]
    tensors = {
        "vit.embeddings.cls_token": weights(1, 1, width),
        "vit.embeddings.position_embeddings": weights(1, 1 + (config["image_size"] // patch) ** 2, width),
        "vit.embeddings.patch_embeddings.projection.weight": weights(width, 3, patch, patch) / patch,
        "vit.embeddings.patch_embeddings.projection.bias": weights(width),
        "classifier.weight": weights(2, width),
        "classifier.bias": weights(2),
    }
    norms = ["vit.layernorm"]
    for i in range(config["num_hidden_layers"]):
        layer = f"vit.encoder.layer.{i}"
        norms += [f"{layer}.layernorm_before", f"{layer}.layernorm_after"]
        queries = [f"attention.attention.{name}" for name in ("query", "key", "value")]
        dense = dict.fromkeys((*queries, "attention.output.dense"), (width, width))
        dense |= {"intermediate.dense": (mlp, width), "output.dense": (width, mlp)}
        for name, shape in dense.items():
            tensors[f"{layer}.{name}.weight"] = weights(*shape)
            if config["qkv_bias"] or name not in queries:
                tensors[f"{layer}.{name}.bias"] = weights(shape[0])
    for name in norms:
        tensors[f"{name}.weight"] = 1 + weights(width)
        tensors[f"{name}.bias"] = weights(width)
    return tensors
