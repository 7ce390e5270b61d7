"""A ViT classifier of built-in Keras layers.

What differs from keras-hub's graph: the file opens without keras-hub; queries, keys and values come from one matrix
product; tokens stay rows of one (B x N, C) matrix, so that TensorFlow fuses each product with its bias; and of the last
block, of which only the class token is read, only that token is worked out. Kernels start as zeros, since opening a
file would draw random numbers only to overwrite them.
Architecture: Dosovitskiy et al., "An Image is Worth 16x16 Words", arXiv 2010.11929, section 3.1 and figure 1.
"""

import numpy as np

from kerasfusion.roadwork.branches.vit_network import Block, Norm, Product, VitNetwork


def build_classifier(network: VitNetwork):
    """Build a ViT classifier for inference.

    Returns:
        keras.Model: (B, H, W, 3) float32 as the network takes it -> (B, C) float32, what its head gives (logits).
    """
    import keras

    width = network.positions.shape[1]
    image = keras.Input(network.image_shape, name="pixels")
    x = _embed(network, image)
    n_tokens = x.shape[1]
    x = keras.ops.reshape(x, (-1, width))
    *blocks, last = network.blocks
    for block in blocks:
        x = _block(network, block, x, n_tokens)
    x = _block(network, last, x, n_tokens, first_only=network.pooling == "token")
    x = _norm(network.norm, x, network.epsilon)
    if network.pooling == "gap":
        x = keras.ops.mean(keras.ops.reshape(x, (-1, n_tokens, width)), axis=1)
    *hidden, output = network.head
    for product in hidden:
        x = _dense(x, product, activation=product.activation)
    x = _dense(x, output, activation=output.activation, name="vit_logits")
    return keras.Model(image, x, name="vit_classifier")


def _embed(network: VitNetwork, image):
    """Patches times a matrix, plus a bias for each position: (B, N, C).

    The bias holds position embedding, the patches' own bias and, in a first row whose patch is zero, the class token.
    """
    import keras

    (height, width), channels = network.patch_size, image.shape[-1]
    rows, columns = image.shape[1] // height, image.shape[2] // width
    x = keras.layers.Reshape((rows, height, columns, width, channels), name="vit_cut")(image)
    x = keras.layers.Permute((1, 3, 2, 4, 5), name="vit_order")(x)
    x = keras.layers.Reshape((rows * columns, height * width * channels), name="vit_patches")(x)
    if network.has_class_token:
        x = keras.layers.ZeroPadding1D((1, 0), name="vit_class_token")(x)
    layer = keras.layers.EinsumDense(
        "bnp,pc->bnc", network.positions.shape, bias_axes="nc", kernel_initializer="zeros", name="vit_embedding"
    )
    return _with_weights(layer, x, network.patches, network.positions)


def _block(network: VitNetwork, block: Block, x, n_tokens: int, first_only: bool = False):
    """Attention and MLP, each behind a layer normalisation and beside a shortcut.

    Returns:
        (B x N, C), or with `first_only` (B, C): each image's first token.
    """
    attended = _attention(block, _norm(block.norm_1, x, network.epsilon), network.heads, n_tokens, first_only)
    x = (_first(x, n_tokens) if first_only else x) + attended
    y = ACTIVATIONS[network.activation](_dense(_norm(block.norm_2, x, network.epsilon), block.mlp_1))
    return x + _dense(y, block.mlp_2)


def _gelu(x):
    """Hendrycks and Gimpel, arXiv 1606.08415, with erf: Keras' own uses erfc, which ONNX does not have."""
    from keras import ops

    return 0.5 * x * (1 + ops.erf(x * 0.5**0.5))


def _gelu_tanh(x):
    """The same article's approximation by tanh."""
    from keras import ops

    return 0.5 * x * (1 + ops.tanh((2 / np.pi) ** 0.5 * (x + 0.044715 * x * x * x)))


def _quick_gelu(x):
    """The same article's approximation by the logistic function, with a factor of 1.702."""
    from keras import ops

    return x * ops.sigmoid(1.702 * x)


def _relu(x):
    from keras import ops

    return ops.relu(x)


def _silu(x):
    from keras import ops

    return x * ops.sigmoid(x)


ACTIVATIONS = {"gelu": _gelu, "gelu_tanh": _gelu_tanh, "quick_gelu": _quick_gelu, "relu": _relu, "silu": _silu}


def _attention(block: Block, x, heads: int, n_tokens: int, first_only: bool):
    """Multi-head self-attention (Vaswani et al., arXiv 1706.03762, eq. 1); 1 / sqrt(d) is inside the queries."""
    from keras import ops

    width = block.query.kernel.shape[1]
    factor = np.sqrt(width // heads)
    query = Product(block.query.kernel / factor, block.query.bias / factor)
    if first_only:
        q = _split_heads(_dense(_first(x, n_tokens), query), 1, 1, heads)
        k, v = _split_heads(_dense(x, block.key, block.value), n_tokens, 2, heads)
    else:
        q, k, v = _split_heads(_dense(x, query, block.key, block.value), n_tokens, 3, heads)
    weights = ops.softmax(ops.matmul(q, ops.transpose(k, (0, 1, 3, 2))))
    attended = ops.transpose(ops.matmul(weights, v), (0, 2, 1, 3))
    return _dense(ops.reshape(attended, (-1, width)), block.output)


def _split_heads(x, n_tokens: int, n_parts: int, heads: int):
    """(B x N, P x H x D) -> P tensors of (B, H, N, D); the tensor itself if P is 1."""
    from keras import ops

    x = ops.reshape(x, (-1, n_tokens, n_parts, heads, x.shape[-1] // n_parts // heads))
    parts = [ops.transpose(x[:, :, part], (0, 2, 1, 3)) for part in range(n_parts)]
    return parts if n_parts > 1 else parts[0]


def _first(x, n_tokens: int):
    from keras import ops

    return ops.reshape(x, (-1, n_tokens, x.shape[-1]))[:, 0]


def _dense(x, *parts: Product, activation: str | None = None, name: str | None = None):
    """One Dense layer that does the work of several side by side."""
    import keras

    kernel = np.concatenate([part.kernel for part in parts], axis=-1)
    bias = np.concatenate([part.bias for part in parts], axis=-1)
    layer = keras.layers.Dense(len(bias), activation=activation, kernel_initializer="zeros", name=name)
    return _with_weights(layer, x, kernel, bias)


def _norm(norm: Norm, x, epsilon: float):
    import keras

    return _with_weights(keras.layers.LayerNormalization(epsilon=epsilon), x, norm.gamma, norm.beta)


def _with_weights(layer, x, *weights: np.ndarray):
    layer.build(x.shape)
    layer.set_weights(weights)
    return layer(x)
