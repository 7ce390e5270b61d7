"""How the reference (taminulislam/fume) calls the layers of each network, in the order in which ours are made.

A name stands for a torch module; its kind says which of our layers takes its weights.
"""

from collections.abc import Iterable, Iterator, Mapping

from kerasfusion.fume.data.annotations import GASES

CONV, DEPTHWISE, DENSE, NORM, EMBEDDING, SCALE = "convolution", "depthwise", "dense", "norm", "embedding", "scale"

Named = tuple[str, str]
"""Name of a torch module, and its kind."""


def layer_names(network: str, shared_encoder: bool) -> list[Named]:
    """Names and kinds of all layers with weights.

    Args:
        network: a key of kerasfusion.fume.networks.architectures.ARCHITECTURES.
        shared_encoder: of the two networks with a stream for each gas; its one encoder is called co2_encoder.
    """
    if network in ("FUMEFastSCNN", "FUMEFastSCNNConcat"):
        return list(_dual_stream(shared_encoder, attention=network == "FUMEFastSCNN"))
    return list(_below("encoder", _encoder())) + list(_heads(network))


def recognise(shapes: Mapping[str, tuple[int, ...]]) -> str | None:
    """Which network a state dict with these names and shapes is of; None if of none."""
    has = {name.split(".")[0] for name in shapes}
    if "co2_encoder" in has:
        attends = any(name.startswith("fusion.self_att") for name in shapes)
        return "FUMEFastSCNN" if attends else "FUMEFastSCNNConcat"
    if "encoder" not in has:
        return None
    if "gas_embedding" in has:
        return "GasAwareClassifierFastSCNN"
    if shapes.get("encoder.learning_to_downsample.conv.conv.weight", (32, 1, 3, 3))[1:2] == (2,):
        return "EarlyFusionFastSCNN"
    return {
        (True, True): "MultiTaskFastSCNN",
        (True, False): "SegmentationOnlyFastSCNN",
        (False, True): "ClassificationOnlyFastSCNN",
    }.get(("seg_head" in has, "cls_head" in has))


def _dual_stream(shared_encoder: bool, attention: bool) -> Iterator[Named]:
    for gas in GASES[:1] if shared_encoder else GASES:
        yield from _below(f"{gas}_encoder", _encoder())
    for gas in GASES:
        yield from _below(f"{gas}_seg_head", _mask_head())
    if attention:
        yield from _below("fusion", _attention_fusion())
        yield from _dense("cls_head", 2, 5, 8)
    else:
        yield from (("fusion.0", CONV), ("fusion.1", NORM))
        yield from _dense("cls_head", 2, 5)


def _heads(network: str) -> Iterator[Named]:
    if network in ("SegmentationOnlyFastSCNN", "MultiTaskFastSCNN", "EarlyFusionFastSCNN"):
        yield from _below("seg_head", _mask_head())
    if network == "ClassificationOnlyFastSCNN":
        yield from _dense("cls_head", 2, 5, 8)
    elif network == "GasAwareClassifierFastSCNN":
        yield "gas_embedding", EMBEDDING
        yield from _dense("classifier", 0, 3, 6)
    elif network != "SegmentationOnlyFastSCNN":
        yield from _dense("cls_head", 2, 5)


def _encoder() -> Iterator[Named]:
    yield from (("learning_to_downsample.conv.conv", CONV), ("learning_to_downsample.conv.bn", NORM))
    for number in (1, 2):
        yield from _below(f"learning_to_downsample.dsconv{number}", _separable())
    for stage in (1, 2, 3):
        for block in range(3):
            yield from _below(f"global_feature_extractor.bottleneck{stage}.{block}.conv", _bottleneck())
    for number in (1, 2, 3, 4):
        yield f"global_feature_extractor.ppm.conv{number}.conv", CONV
    yield "global_feature_extractor.ppm.out_conv.conv", CONV
    yield "global_feature_extractor.ppm.out_conv.bn", NORM


def _separable() -> Iterable[Named]:
    return ("depthwise", DEPTHWISE), ("pointwise", CONV), ("bn", NORM)


def _bottleneck() -> Iterable[Named]:
    return ("0", CONV), ("1", NORM), ("3", DEPTHWISE), ("4", NORM), ("6", CONV), ("7", NORM)


def _mask_head() -> Iterator[Named]:
    yield from (("feature_fusion.conv_high.0", CONV), ("feature_fusion.conv_high.1", NORM))
    yield from _below("feature_fusion.dwconv", _separable())
    yield from _dense("feature_fusion.attention", 1, 3)
    for number in (0, 1):
        yield from _below(f"classifier.{number}", _separable())
    yield "classifier.3", CONV


def _attention_fusion() -> Iterator[Named]:
    for name in ("self_att_co2", "self_att_ch4", "cross_att"):
        yield from ((f"{name}.{part}_conv", DENSE) for part in ("query", "key", "value"))
        yield name, SCALE
    yield from (("channel_att.fc1", DENSE), ("channel_att.fc2", DENSE))
    yield from (("fusion_conv.0", CONV), ("fusion_conv.1", NORM))


def _dense(name: str, *numbers: int) -> Iterator[Named]:
    yield from ((f"{name}.{number}", DENSE) for number in numbers)


def _below(name: str, named: Iterable[Named]) -> Iterator[Named]:
    yield from ((f"{name}.{part}", kind) for part, kind in named)
