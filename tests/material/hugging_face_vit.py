"""Write a tiny ViT in the Hugging Face hub's own format, without torch."""

import json
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

LAYERS, HIDDEN, MLP, HEADS, PATCH, SIZE = 2, 32, 48, 4, 16, 64
MEAN, STD = [0.5, 0.4, 0.6], [0.5, 0.4, 0.3]


def write_vit(folder: Path, names: tuple[str, str] = ("None", "Roadwork"), seed: int = 0, **changes) -> Path:
    """A ViTForImageClassification checkpoint with random weights.

    Args:
        folder: where to write.
        names: class names in the order of the logits.
        seed: of the weights.
        changes: keys of preprocessor_config.json to overwrite.
    """
    rng = np.random.default_rng(seed)

    def weights(*shape):
        return rng.normal(0, 1.6 / np.sqrt(shape[-1]), shape).astype(np.float32)

    tensors = {
        "vit.embeddings.cls_token": weights(1, 1, HIDDEN),
        "vit.embeddings.position_embeddings": weights(1, 1 + (SIZE // PATCH) ** 2, HIDDEN),
        "vit.embeddings.patch_embeddings.projection.weight": weights(HIDDEN, 3, PATCH, PATCH) / PATCH,
        "vit.embeddings.patch_embeddings.projection.bias": weights(HIDDEN),
        "classifier.weight": weights(2, HIDDEN),
        "classifier.bias": weights(2),
    }
    norms = ["vit.layernorm"]
    for i in range(LAYERS):
        layer = f"vit.encoder.layer.{i}"
        norms += [f"{layer}.layernorm_before", f"{layer}.layernorm_after"]
        dense = {f"attention.attention.{name}": (HIDDEN, HIDDEN) for name in ("query", "key", "value")}
        dense |= {"attention.output.dense": (HIDDEN, HIDDEN)}
        dense |= {"intermediate.dense": (MLP, HIDDEN), "output.dense": (HIDDEN, MLP)}
        for name, shape in dense.items():
            tensors[f"{layer}.{name}.weight"] = weights(*shape)
            tensors[f"{layer}.{name}.bias"] = weights(shape[0])
    for name in norms:
        tensors[f"{name}.weight"] = 1 + weights(HIDDEN)
        tensors[f"{name}.bias"] = weights(HIDDEN)
    folder.mkdir(parents=True, exist_ok=True)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
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
    }
    processor = {
        "image_processor_type": "ViTImageProcessor",
        "do_resize": True,
        "size": {"height": SIZE, "width": SIZE},
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
