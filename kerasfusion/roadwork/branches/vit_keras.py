"""A keras-hub ViT classifier rebuilt of built-in Keras layers: the same answers, sooner.

What differs from keras-hub's graph: the file opens without keras-hub; queries, keys and values come from one matrix
product; tokens stay rows of one (B x N, C) matrix, so that TensorFlow fuses each product with its bias; and of the last
block, of which only the class token is read, only that token is worked out. Kernels start as zeros, since opening a
file would draw random numbers only to overwrite them.
Architecture: Dosovitskiy et al., "An Image is Worth 16x16 Words", arXiv 2010.11929, section 3.1 and figure 1.
"""

import numpy as np


def rebuild(task):
    """Rebuild a ViT classifier for inference.

    Args:
        task: keras_hub.models.ViTImageClassifier.

    Returns:
        keras.Model: (B, H, W, 3) float32 as the task takes it -> (B, C) float32, what the task gives (logits).
    """
    import keras

    encoder, width = task.backbone.get_layer("vit_encoder"), task.backbone.hidden_dim
    image = keras.Input(task.input_shape[1:], name="pixels")
    x = _embed(task.backbone, image)
    n_tokens = x.shape[1]
    x = keras.ops.reshape(x, (-1, width))
    *blocks, last = encoder.encoder_layers
    for block in blocks:
        x = _block(block, x, n_tokens)
    x = _block(last, x, n_tokens, first_only=task.pooling == "token")
    x = _copy(encoder.layer_norm, x)
    if task.pooling == "gap":
        x = keras.ops.mean(keras.ops.reshape(x, (-1, n_tokens, width)), axis=1)
    if task.intermediate_dim is not None:
        x = _copy(task.intermediate_layer, x)
    return keras.Model(image, _copy(task.output_dense, x, name="vit_logits"), name="vit_classifier")


def _embed(backbone, image):
    """Patches times a matrix, plus a bias for each position: (B, N, C).

    The bias holds position embedding, the patches' own bias and, in a first row whose patch is zero, the class token.
    """
    import keras

    (height, width), channels = backbone.patch_size, image.shape[-1]
    rows, columns = image.shape[1] // height, image.shape[2] // width
    x = keras.layers.Reshape((rows, height, columns, width, channels), name="vit_cut")(image)
    x = keras.layers.Permute((1, 3, 2, 4, 5), name="vit_order")(x)
    x = keras.layers.Reshape((rows * columns, height * width * channels), name="vit_patches")(x)
    source = backbone.get_layer("vit_patching_and_embedding")
    kernel, *bias = source.patch_embedding.get_weights()
    (positions,) = source.position_embedding.get_weights()
    positions = positions.copy()
    if backbone.use_class_token:
        x = keras.layers.ZeroPadding1D((1, 0), name="vit_class_token")(x)
        positions[0] += np.asarray(source.class_token).reshape(-1)
    if bias:
        positions[-rows * columns :] += bias[0]
    layer = keras.layers.EinsumDense(
        "bnp,pc->bnc", positions.shape, bias_axes="nc", kernel_initializer="zeros", name="vit_embedding"
    )
    return _with_weights(layer, x, kernel.reshape(-1, backbone.hidden_dim), positions)


def _block(block, x, n_tokens: int, first_only: bool = False):
    """Attention and MLP, each behind a layer normalisation and beside a shortcut.

    Returns:
        (B x N, C), or with `first_only` (B, C): each image's first token.
    """
    attended = _attention(block.mha, _copy(block.layer_norm_1, x), n_tokens, first_only)
    x = (_first(x, n_tokens) if first_only else x) + attended
    y = _gelu(_copy(block.mlp.dense_1, _copy(block.layer_norm_2, x), activation=None))
    return x + _copy(block.mlp.dense_2, y)


def _gelu(x):
    """Hendrycks and Gimpel, arXiv 1606.08415, with erf: Keras' own uses erfc, which ONNX does not have."""
    from keras import ops

    return 0.5 * x * (1 + ops.erf(x * 0.5**0.5))


def _attention(mha, x, n_tokens: int, first_only: bool):
    """Multi-head self-attention (Vaswani et al., arXiv 1706.03762, eq. 1); 1 / sqrt(d) is inside the queries."""
    from keras import ops

    (heads, depth), width = mha.get_weights()[0].shape[1:], x.shape[-1]
    query, key, value = (_matrix(layer, (width, -1)) for layer in (mha._query_dense, mha._key_dense, mha._value_dense))
    query = [part / np.sqrt(depth) for part in query]
    if first_only:
        q = _split_heads(_dense(_first(x, n_tokens), query), 1, 1, heads)
        k, v = _split_heads(_dense(x, key, value), n_tokens, 2, heads)
    else:
        q, k, v = _split_heads(_dense(x, query, key, value), n_tokens, 3, heads)
    weights = ops.softmax(ops.matmul(q, ops.transpose(k, (0, 1, 3, 2))))
    attended = ops.transpose(ops.matmul(weights, v), (0, 2, 1, 3))
    return _dense(ops.reshape(attended, (-1, heads * depth)), _matrix(mha._output_dense, (-1, width)))


def _split_heads(x, n_tokens: int, n_parts: int, heads: int):
    """(B x N, P x H x D) -> P tensors of (B, H, N, D); the tensor itself if P is 1."""
    from keras import ops

    x = ops.reshape(x, (-1, n_tokens, n_parts, heads, x.shape[-1] // n_parts // heads))
    parts = [ops.transpose(x[:, :, part], (0, 2, 1, 3)) for part in range(n_parts)]
    return parts if n_parts > 1 else parts[0]


def _first(x, n_tokens: int):
    from keras import ops

    return ops.reshape(x, (-1, n_tokens, x.shape[-1]))[:, 0]


def _matrix(layer, shape: tuple[int, int]) -> list[np.ndarray]:
    """Kernel, as a matrix of the given shape, and bias of one of the attention's projections."""
    kernel, *bias = layer.get_weights()
    kernel = kernel.reshape(shape)
    return [kernel, bias[0].reshape(-1) if bias else np.zeros(kernel.shape[1], np.float32)]


def _dense(x, *parts: list[np.ndarray]):
    """One Dense layer that does the work of several side by side."""
    import keras

    kernel, bias = (np.concatenate(pieces, axis=-1) for pieces in zip(*parts, strict=True))
    return _with_weights(keras.layers.Dense(len(bias), kernel_initializer="zeros"), x, kernel, bias)


def _copy(layer, x, **changes):
    """The same layer in another graph, under a name of its own unless `changes` give one."""
    config = {**layer.get_config(), "name": None} | changes
    if "kernel_initializer" in config:
        config["kernel_initializer"] = "zeros"
    return _with_weights(type(layer).from_config(config), x, *layer.get_weights())


def _with_weights(layer, x, *weights: np.ndarray):
    layer.build(x.shape)
    layer.set_weights(weights)
    return layer(x)
