"""A ViT classifier as arrays: made of a Hugging Face checkpoint's tensors, or taken out of a keras-hub classifier."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kerasfusion.errors import RequestError
from kerasfusion.roadwork.branches.vit_description import VitDescription

UNREAD = frozenset({"vit.pooler.dense.weight", "vit.pooler.dense.bias"})
"""Older checkpoints keep a pooler, which transformers' classifier does not read either."""


@dataclass(frozen=True)
class Product:
    """A matrix product: kernel (in, out), bias (out,), and the name of an activation of Keras behind it, if any."""

    kernel: np.ndarray
    bias: np.ndarray
    activation: str | None = None


@dataclass(frozen=True)
class Norm:
    """Scale and shift of a layer normalisation, both (C,)."""

    gamma: np.ndarray
    beta: np.ndarray


@dataclass(frozen=True)
class Block:
    """One block of the encoder."""

    norm_1: Norm
    query: Product
    key: Product
    value: Product
    output: Product
    norm_2: Norm
    mlp_1: Product
    mlp_2: Product


@dataclass(frozen=True)
class VitNetwork:
    """The network.

    Attributes:
        image_shape: (rows, columns, channels), pixels.
        patch_size: (rows, columns), pixels.
        heads: of the attention.
        activation: of the MLPs, a key of vit_keras.ACTIVATIONS.
        epsilon: of the layer normalisations.
        pooling: "token": the first token is read; "gap": their mean.
        has_class_token: whether `positions` begins with a row that belongs to no patch.
        patches: (rows x columns x channels of a patch, C).
        positions: (N, C): position embedding, with class token and the patches' bias added.
        blocks, norm, head: in the order of computing.
    """

    image_shape: tuple[int, int, int]
    patch_size: tuple[int, int]
    heads: int
    activation: str
    epsilon: float
    pooling: str
    has_class_token: bool
    patches: np.ndarray
    positions: np.ndarray
    blocks: tuple[Block, ...]
    norm: Norm
    head: tuple[Product, ...]


def network_of_tensors(tensors: Mapping[str, np.ndarray], described: VitDescription, folder: Path) -> VitNetwork:
    """Put a Hugging Face checkpoint's tensors together.

    Raises:
        RequestError: a tensor is missing, is read by nothing, has another shape than config.json says, or holds NaN.
    """
    _refuse_misfits(tensors, _shapes(described), described, folder)

    def product(name: str, has_bias: bool = True) -> Product:
        kernel = _float32(tensors[f"{name}.weight"]).T
        bias = _float32(tensors[f"{name}.bias"]) if has_bias else np.zeros(kernel.shape[1], np.float32)
        return Product(kernel, bias)

    def norm(name: str) -> Norm:
        return Norm(_float32(tensors[f"{name}.weight"]), _float32(tensors[f"{name}.bias"]))

    def block(name: str) -> Block:
        queries = (product(f"{name}.attention.attention.{part}", described.qkv_bias) for part in _ATTENTION)
        return Block(
            norm(f"{name}.layernorm_before"),
            *queries,
            product(f"{name}.attention.output.dense"),
            norm(f"{name}.layernorm_after"),
            product(f"{name}.intermediate.dense"),
            product(f"{name}.output.dense"),
        )

    patches = _float32(tensors[f"{_EMBEDDINGS}.patch_embeddings.projection.weight"])
    positions = _float32(tensors[f"{_EMBEDDINGS}.position_embeddings"])[0].copy()
    positions[0] += tensors[f"{_EMBEDDINGS}.cls_token"].reshape(-1)
    positions[1:] += tensors[f"{_EMBEDDINGS}.patch_embeddings.projection.bias"]
    return VitNetwork(
        image_shape=(described.image_size, described.image_size, 3),
        patch_size=(described.patch_size, described.patch_size),
        heads=described.heads,
        activation=described.activation,
        epsilon=described.epsilon,
        pooling="token",
        has_class_token=True,
        patches=patches.transpose(2, 3, 1, 0).reshape(-1, described.width),
        positions=positions,
        blocks=tuple(block(f"vit.encoder.layer.{number}") for number in range(described.layers)),
        norm=norm("vit.layernorm"),
        head=(product("classifier"),),
    )


def network_of_task(task) -> VitNetwork:
    """Take the arrays out of a keras_hub.models.ViTImageClassifier."""
    backbone, encoder = task.backbone, task.backbone.get_layer("vit_encoder")
    source = backbone.get_layer("vit_patching_and_embedding")
    kernel, *bias = source.patch_embedding.get_weights()
    positions = source.position_embedding.get_weights()[0].copy()
    # keras-hub before 0.22 has square patches and always a class token.
    rows, columns = map(int, np.broadcast_to(backbone.patch_size, 2))
    has_class_token, shape = getattr(backbone, "use_class_token", True), task.input_shape[1:]
    if has_class_token:
        positions[0] += np.asarray(source.class_token).reshape(-1)
    if bias:
        positions[-(shape[0] // rows) * (shape[1] // columns) :] += bias[0]
    head = [] if task.intermediate_dim is None else [task.intermediate_layer]
    return VitNetwork(
        image_shape=shape,
        patch_size=(rows, columns),
        heads=encoder.encoder_layers[0].num_heads,
        activation="gelu",
        epsilon=encoder.layer_norm.epsilon,
        pooling=task.pooling,
        has_class_token=has_class_token,
        patches=kernel.reshape(-1, backbone.hidden_dim),
        positions=positions,
        blocks=tuple(_block_of(layer, backbone.hidden_dim) for layer in encoder.encoder_layers),
        norm=Norm(*encoder.layer_norm.get_weights()),
        head=tuple(_product_of(layer) for layer in (*head, task.output_dense)),
    )


def refuse_nan(named: Iterable[tuple[str, np.ndarray]], folder: Path) -> None:
    """Check that weights are numbers.

    Raises:
        RequestError: one of the arrays holds NaN, or what float32 cannot hold; names it.
    """
    for name, values in named:
        if not np.isfinite(_float32(values)).all():
            raise RequestError(
                f"the weights are broken: {name} holds NaN or infinity",
                where=folder,
                expected="finite numbers",
                todo="get the weights again, or train them again",
            )


def _block_of(layer, width: int) -> Block:
    mha = layer.mha
    return Block(
        Norm(*layer.layer_norm_1.get_weights()),
        *(_matrix(each, (width, -1)) for each in (mha._query_dense, mha._key_dense, mha._value_dense)),
        _matrix(mha._output_dense, (-1, width)),
        Norm(*layer.layer_norm_2.get_weights()),
        _matrix(layer.mlp.dense_1, (width, -1)),
        _matrix(layer.mlp.dense_2, (-1, width)),
    )


def _matrix(layer, shape: tuple[int, int]) -> Product:
    """A layer's kernel, as a matrix of the given shape, and its bias, zeros where it has none."""
    kernel, *bias = layer.get_weights()
    kernel = kernel.reshape(shape)
    return Product(kernel, bias[0].reshape(-1) if bias else np.zeros(kernel.shape[1], np.float32))


def _product_of(layer) -> Product:
    import keras

    kernel, bias = layer.get_weights()
    return Product(kernel, bias, keras.activations.serialize(layer.activation))


_EMBEDDINGS = "vit.embeddings"
_ATTENTION = ("query", "key", "value")


def _shapes(described: VitDescription) -> dict[str, tuple[int, ...]]:
    """Name and shape of every tensor that transformers' ViTForImageClassification reads."""
    width, patch = described.width, described.patch_size
    shapes = {
        f"{_EMBEDDINGS}.cls_token": (1, 1, width),
        f"{_EMBEDDINGS}.position_embeddings": (1, 1 + (described.image_size // patch) ** 2, width),
        f"{_EMBEDDINGS}.patch_embeddings.projection.weight": (width, 3, patch, patch),
        f"{_EMBEDDINGS}.patch_embeddings.projection.bias": (width,),
        "classifier.weight": (described.classes, width),
        "classifier.bias": (described.classes,),
    }
    norms = ["vit.layernorm"]
    for number in range(described.layers):
        layer = f"vit.encoder.layer.{number}"
        norms += [f"{layer}.layernorm_before", f"{layer}.layernorm_after"]
        for name, (rows, columns) in {
            **{f"attention.attention.{part}": (width, width) for part in _ATTENTION},
            "attention.output.dense": (width, width),
            "intermediate.dense": (described.mlp_width, width),
            "output.dense": (width, described.mlp_width),
        }.items():
            shapes[f"{layer}.{name}.weight"] = (rows, columns)
            if described.qkv_bias or "attention.attention" not in name:
                shapes[f"{layer}.{name}.bias"] = (rows,)
    return shapes | {f"{name}.{part}": (width,) for name in norms for part in ("weight", "bias")}


def _refuse_misfits(
    tensors: Mapping[str, np.ndarray], shapes: Mapping[str, tuple], described: VitDescription, folder: Path
) -> None:
    expected = (
        f"the tensors of a ViTForImageClassification as config.json describes it: image_size {described.image_size}, "
        f"patch_size {described.patch_size}, hidden_size {described.width}, intermediate_size {described.mlp_width}, "
        f"num_hidden_layers {described.layers}, qkv_bias {str(described.qkv_bias).lower()}, {described.classes} classes"
    )
    todo = "correct config.json, or take weights and config.json from the same training"
    missing = [name for name in shapes if name not in tensors]
    unread = [name for name in tensors if name not in shapes and name not in UNREAD]
    said = [f"{_some(missing)} missing"] if missing else []
    said += [f"{_some(unread)} read by nothing"] if unread else []
    said += [
        f"{name} has the shape {list(tensors[name].shape)}, not {list(shape)}"
        for name, shape in shapes.items()
        if name in tensors and tensors[name].shape != shape
    ][:3]
    if said:
        what = f"the weights do not fit config.json: {'; '.join(said)}"
        raise RequestError(what, where=folder, expected=expected, todo=todo)
    refuse_nan(((name, tensors[name]) for name in shapes), folder)


def _some(names: list[str]) -> str:
    more = f" and {len(names) - 3:,} more" if len(names) > 3 else ""
    return f"{', '.join(names[:3])}{more} {'is' if len(names) == 1 else 'are'}"


def _float32(values: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):  # a float64 beyond float32 becomes infinite, and is refused
        return values.astype(np.float32, copy=False)
