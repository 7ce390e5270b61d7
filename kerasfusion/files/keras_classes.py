"""What networks for pictures are made of in Keras: all that a `.keras` file may name."""

_LAYERS = """
    Activation Add Average AveragePooling2D BatchNormalization Concatenate Conv2D Conv2DTranspose Cropping2D Dense
    DepthwiseConv2D Dropout ELU EinsumDense Embedding Flatten GaussianNoise GlobalAveragePooling1D
    GlobalAveragePooling2D GlobalMaxPooling2D GroupNormalization Identity InputLayer LayerNormalization LeakyReLU
    MaxPooling2D Maximum Minimum MultiHeadAttention Multiply Normalization PReLU Permute RMSNormalization ReLU
    RepeatVector Rescaling Reshape Resizing SeparableConv2D Softmax SpatialDropout2D Subtract UnitNormalization
    UpSampling2D ZeroPadding1D ZeroPadding2D
"""
_INITIALIZERS = """
    Constant GlorotNormal GlorotUniform HeNormal HeUniform LecunNormal LecunUniform Ones Orthogonal RandomNormal
    RandomUniform TruncatedNormal VarianceScaling Zeros
"""
_POLICIES = "DTypePolicy FloatDTypePolicy QuantizedDTypePolicy DTypePolicyMap"
MODELS = "Functional Model Sequential"
CLASSES = {
    "keras": f"{_POLICIES} {MODELS}",
    "keras.models": MODELS,
    "keras.src.models.functional": "Functional",
    "keras.dtype_policies": _POLICIES,
    "keras.layers": _LAYERS,
    "keras.initializers": _INITIALIZERS,
    "keras.regularizers": "L1 L2 L1L2",
    "keras.constraints": "MaxNorm MinMaxNorm NonNeg UnitNorm",
    "keras.quantizers": "AbsMaxQuantizer Int8QuantizationConfig",
    "keras.src.ops.core": "Cast ConvertToTensor Slice StopGradient Unstack",
    "keras.src.ops.image": "Resize",
    "keras.src.ops.math": "Erf Erfc Logsumexp Rsqrt TopK",
    "keras.src.ops.nn": """
        AveragePool Conv DepthwiseConv Elu Gelu HardSigmoid HardSilu LeakyRelu LogSoftmax MaxPool Moments Normalize
        OneHot Relu Relu6 Sigmoid Silu Softmax Softplus Softsign
    """,
    "keras.src.ops.numpy": """
        Absolute Add Amax Amin Argmax Argmin Average BroadcastTo Clip Concatenate Divide Dot Einsum Equal Exp ExpandDims
        Expm1 Flip FullLike GetItem Greater GreaterEqual Less LessEqual Log Log1p LogicalAnd LogicalNot LogicalOr Matmul
        Max Maximum Mean Min Minimum Moveaxis Multiply Negative NotEqual OnesLike Pad Power Prod Reciprocal Repeat
        Reshape Round Sign Split Sqrt Square Squeeze Stack Std Subtract Sum Swapaxes Take TakeAlongAxis Tanh Tensordot
        Tile Transpose TrueDivide Var Where ZerosLike
    """,
}
CLASSES = {module: frozenset(names.split()) for module, names in CLASSES.items()}
"""Module -> classes that compute from their inputs, weights and numbers alone: none runs code that a file brings, none
opens a file, none calls a function that it is given."""

VALUES = frozenset({"__keras_tensor__", "__numpy__", "__tensor__", "__slice__", "__ellipsis__"})
"""What Keras writes for values that JSON does not have."""

_ACTIVATIONS = """
    elu exponential gelu hard_sigmoid hard_silu hard_swish leaky_relu linear log_softmax mish relu relu6 selu sigmoid
    silu softmax softplus softsign swish tanh
"""
FUNCTIONS = frozenset(_ACTIVATIONS.split())
"""Keras' activations, the only functions that a layer here takes."""
