"""Fast-SCNN, FUME-FastSCNN and the baselines in plain torch layers.

Written from the papers (arXiv 1902.04502 and 2601.08205) in the shapes of taminulislam/fume, with the names that its
checkpoints use, so that they load here. Frames are (B, 1, H, W), grey levels scaled to -1..1; all answers are logits.
"""

from collections import OrderedDict
from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional as F

CONTEXT = 128
STATES = PIXEL_CLASSES = 3


def convolution(channels: int, filters: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    """Convolution, normalisation, ReLU."""
    conv = nn.Conv2d(channels, filters, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(OrderedDict(conv=conv, bn=nn.BatchNorm2d(filters), relu=nn.ReLU(inplace=True)))


def separable(channels: int, filters: int, stride: int = 1) -> nn.Sequential:
    """3x3 depthwise and 1x1 convolution, normalisation, ReLU."""
    return nn.Sequential(
        OrderedDict(
            depthwise=nn.Conv2d(channels, channels, 3, stride, 1, groups=channels, bias=False),
            pointwise=nn.Conv2d(channels, filters, 1, bias=False),
            bn=nn.BatchNorm2d(filters),
            relu=nn.ReLU(inplace=True),
        )
    )


def enlarged(x: torch.Tensor, size) -> torch.Tensor:
    """Bilinear, half-pixel centres."""
    return F.interpolate(x, tuple(size), mode="bilinear", align_corners=False)


class Bottleneck(nn.Module):
    """Inverted residual with a linear end, expansion 6."""

    def __init__(self, channels: int, filters: int, stride: int):
        super().__init__()
        hidden = 6 * channels
        self.adds = stride == 1 and channels == filters
        self.conv = nn.Sequential(
            nn.Conv2d(channels, hidden, 1, bias=False),
            nn.BatchNorm2d(hidden),
            nn.ReLU6(inplace=True),
            nn.Conv2d(hidden, hidden, 3, stride, 1, groups=hidden, bias=False),
            nn.BatchNorm2d(hidden),
            nn.ReLU6(inplace=True),
            nn.Conv2d(hidden, filters, 1, bias=False),
            nn.BatchNorm2d(filters),
        )

    def forward(self, x):
        """(B, channels, h, w) -> (B, filters, h / stride, w / stride)."""
        return self.conv(x) + x if self.adds else self.conv(x)


class PyramidPooling(nn.Module):
    """Averages over 1, 2, 3 and 6 bins a side beside the features."""

    def __init__(self):
        super().__init__()
        self.bins = (1, 2, 3, 6)
        for number, _ in enumerate(self.bins, start=1):
            conv = OrderedDict(conv=nn.Conv2d(CONTEXT, CONTEXT // 4, 1), relu=nn.ReLU(inplace=True))
            setattr(self, f"conv{number}", nn.Sequential(conv))
        self.out_conv = convolution(2 * CONTEXT, CONTEXT, kernel=1)

    def forward(self, x):
        """(B, 128, h, w) -> (B, 128, h, w)."""
        convolutions = (self.conv1, self.conv2, self.conv3, self.conv4)
        pooled = [conv(F.adaptive_avg_pool2d(x, bins)) for bins, conv in zip(self.bins, convolutions, strict=True)]
        return self.out_conv(torch.cat([x, *(enlarged(each, x.shape[2:]) for each in pooled)], dim=1))


class Encoder(nn.Module):
    """(B, channels, H, W) -> detail (B, 64, H/8, W/8) and context (B, 128, H/32, W/32)."""

    def __init__(self, channels: int = 1):
        super().__init__()
        self.learning_to_downsample = nn.Sequential(
            OrderedDict(
                conv=convolution(channels, 32, stride=2),
                dsconv1=separable(32, 48, stride=2),
                dsconv2=separable(48, 64, stride=2),
            )
        )
        stages, before = OrderedDict(), 64
        for number, (filters, stride) in enumerate(((64, 2), (96, 2), (CONTEXT, 1)), start=1):
            blocks = (Bottleneck(before, filters, stride), *(Bottleneck(filters, filters, 1) for _ in range(2)))
            stages[f"bottleneck{number}"], before = nn.Sequential(*blocks), filters
        self.global_feature_extractor = nn.Sequential(OrderedDict(**stages, ppm=PyramidPooling()))

    def forward(self, frame):
        """Both features."""
        detail = self.learning_to_downsample(frame)
        return detail, self.global_feature_extractor(detail)


class FeatureFusion(nn.Module):
    """Detail and enlarged context, added and weighted channel by channel."""

    def __init__(self):
        super().__init__()
        self.dwconv = separable(64, CONTEXT)
        self.conv_high = nn.Sequential(nn.Conv2d(CONTEXT, CONTEXT, 1, bias=False), nn.BatchNorm2d(CONTEXT))
        self.attention = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(CONTEXT, CONTEXT // 4, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(CONTEXT // 4, CONTEXT, 1),
            nn.Sigmoid(),
        )

    def forward(self, detail, context):
        """(B, 128, H/8, W/8)."""
        fused = F.relu(self.dwconv(detail) + self.conv_high(enlarged(context, detail.shape[2:])))
        return fused * self.attention(fused)


class MaskHead(nn.Module):
    """Both features -> (B, 3, H, W)."""

    def __init__(self):
        super().__init__()
        self.feature_fusion = FeatureFusion()
        self.classifier = nn.Sequential(
            separable(CONTEXT, CONTEXT),
            separable(CONTEXT, CONTEXT),
            nn.Dropout2d(0.1),
            nn.Conv2d(CONTEXT, PIXEL_CLASSES, 1),
        )

    def forward(self, detail, context, size):
        """Logits at the frames' size."""
        return enlarged(self.classifier(self.feature_fusion(detail, context)), size)


def dense_layers(*widths: int) -> list[nn.Module]:
    """Linear layers with ReLU and dropout between them."""
    found: list[nn.Module] = []
    for before, after in pairwise(widths):
        found += [nn.Linear(before, after), nn.ReLU(inplace=True), nn.Dropout(0.5)]
    return found[:-2]


def state_head(*hidden: int) -> nn.Sequential:
    """(B, 128, h, w) -> (B, 3)."""
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), *dense_layers(CONTEXT, *hidden, STATES))


class Attention(nn.Module):
    """x + gamma softmax(Q(x) K(other)^T) V(other), position by position."""

    def __init__(self, width: int):
        super().__init__()
        self.query_conv, self.key_conv = nn.Conv2d(CONTEXT, width, 1), nn.Conv2d(CONTEXT, width, 1)
        self.value_conv = nn.Conv2d(CONTEXT, CONTEXT, 1)
        self.gamma = nn.Parameter(torch.zeros(1))

    def forward(self, x, other):
        """(B, 128, h, w)."""
        query, key = self.query_conv(x).flatten(2), self.key_conv(other).flatten(2)
        weights = torch.softmax(query.transpose(1, 2) @ key, dim=-1)
        found = self.value_conv(other).flatten(2) @ weights.transpose(1, 2)
        return x + self.gamma * found.view_as(x)


class ChannelAttention(nn.Module):
    """Squeeze and excitation over 256 channels."""

    def __init__(self):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(2 * CONTEXT, 2 * CONTEXT // 16), nn.Linear(2 * CONTEXT // 16, 2 * CONTEXT)

    def forward(self, x):
        """(B, 256, h, w)."""
        gate = torch.sigmoid(self.fc2(F.relu(self.fc1(x.mean(dim=(2, 3))))))
        return x * gate[:, :, None, None]


class AttentionFusion(nn.Module):
    """Self-attention, cross-attention if any sample has both gases, channel attention, 3x3 convolution."""

    def __init__(self):
        super().__init__()
        self.self_att_co2, self.self_att_ch4, self.cross_att = Attention(16), Attention(16), Attention(64)
        self.channel_att = ChannelAttention()
        self.fusion_conv = nn.Sequential(
            nn.Conv2d(2 * CONTEXT, CONTEXT, 3, padding=1), nn.BatchNorm2d(CONTEXT), nn.ReLU(inplace=True)
        )

    def forward(self, co2, ch4, presence):
        """(B, 128, h, w); presence (B, 2) of [CO2, CH4]."""
        co2, ch4 = co2 * presence[:, :1, None, None], ch4 * presence[:, 1:, None, None]
        co2, ch4 = self.self_att_co2(co2, co2), self.self_att_ch4(ch4, ch4)
        if bool((presence.sum(dim=1) == 2).any()):
            co2, ch4 = self.cross_att(co2, ch4), self.cross_att(ch4, co2)
        return self.fusion_conv(self.channel_att(torch.cat([co2, ch4], dim=1)))


class DualStream(nn.Module):
    """FUME-FastSCNN, and without attention its published variant."""

    def __init__(self, shared_encoder: bool = True, attention: bool = True):
        super().__init__()
        self.co2_encoder = Encoder()
        self.ch4_encoder = self.co2_encoder if shared_encoder else Encoder()
        self.fusion = AttentionFusion() if attention else self._concatenation()
        self.attends = attention
        self.co2_seg_head, self.ch4_seg_head = MaskHead(), MaskHead()
        self.cls_head = state_head(256, 128) if attention else state_head(256)

    def forward(self, co2, ch4, modality_mask):
        """Logits of both masks and of the state."""
        (co2_detail, co2_context), (ch4_detail, ch4_context) = self.co2_encoder(co2), self.ch4_encoder(ch4)
        if self.attends:
            fused = self.fusion(co2_context, ch4_context, modality_mask)
        else:
            fused = self.fusion(torch.cat([co2_context, ch4_context], dim=1))
        return {
            "co2_mask": self.co2_seg_head(co2_detail, co2_context, co2.shape[2:]),
            "ch4_mask": self.ch4_seg_head(ch4_detail, ch4_context, ch4.shape[2:]),
            "state": self.cls_head(fused),
        }

    @staticmethod
    def _concatenation() -> nn.Sequential:
        return nn.Sequential(
            nn.Conv2d(2 * CONTEXT, CONTEXT, 1, bias=False), nn.BatchNorm2d(CONTEXT), nn.ReLU(inplace=True)
        )


class SingleStream(nn.Module):
    """One frame (or two as its channels) -> mask, state, or both."""

    def __init__(self, mask: bool, hidden: tuple[int, ...] | None, channels: int = 1):
        super().__init__()
        self.encoder = Encoder(channels)
        self.seg_head = MaskHead() if mask else None
        self.cls_head = state_head(*hidden) if hidden else None

    def forward(self, *frames):
        """Logits of what it has heads for."""
        frame = torch.cat(frames, dim=1)
        detail, context = self.encoder(frame)
        answers = {}
        if self.seg_head:
            answers["mask"] = self.seg_head(detail, context, frame.shape[2:])
        if self.cls_head:
            answers["state"] = self.cls_head(context)
        return answers


class GasAware(nn.Module):
    """A frame and which gas it shows -> state."""

    def __init__(self):
        super().__init__()
        self.encoder = Encoder()
        self.gas_embedding = nn.Embedding(2, 64)
        self.classifier = nn.Sequential(*dense_layers(CONTEXT + 64, 256, 128, STATES))

    def forward(self, frame, gas_type):
        """Logits of the state."""
        _, context = self.encoder(frame)
        known = torch.cat([context.mean(dim=(2, 3)), self.gas_embedding(gas_type)], dim=1)
        return {"state": self.classifier(known)}


def build(name: str, shared_encoder: bool = True) -> nn.Module:
    """A network by its name in ARCHITECTURES of fume's networks; its forward takes that one's inputs in order."""
    makers = {
        "FUMEFastSCNN": lambda: DualStream(shared_encoder),
        "FUMEFastSCNNConcat": lambda: DualStream(shared_encoder, attention=False),
        "SegmentationOnlyFastSCNN": lambda: SingleStream(mask=True, hidden=None),
        "ClassificationOnlyFastSCNN": lambda: SingleStream(mask=False, hidden=(256, 128)),
        "GasAwareClassifierFastSCNN": GasAware,
        "EarlyFusionFastSCNN": lambda: SingleStream(mask=True, hidden=(256,), channels=2),
        "MultiTaskFastSCNN": lambda: SingleStream(mask=True, hidden=(256,)),
    }
    return makers[name]()
