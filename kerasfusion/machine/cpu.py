"""What the processor is and which instructions for neural networks it says it has."""

import platform
import subprocess
from dataclasses import dataclass
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
FEATURES = {
    "avx2": {"avx2"},
    "avx512": {"avx512f"},
    "vnni": {"avx512_vnni", "avx_vnni"},
    "bf16": {"avx512_bf16", "bf16", "feat_bf16"},
    "amx": {"amx_tile"},
    "neon": {"asimd", "neon", "advsimd"},
    "dotprod": {"asimddp", "feat_dotprod"},
    "i8mm": {"i8mm", "feat_i8mm"},
}
"""Our name of a feature -> the flags by which Linux or macOS report it. vnni, dotprod, i8mm: int8 products; bf16:
bfloat16 products; amx: both, on whole tiles."""


@dataclass(frozen=True)
class Cpu:
    """A processor.

    Attributes:
        name: as its maker calls it, or "unknown".
        features: keys of FEATURES that it reports; None where the system does not tell.
    """

    name: str
    features: tuple[str, ...] | None

    def __str__(self) -> str:
        return f"{self.name} ({'features unknown' if self.features is None else ' '.join(self.features)})"


def this_cpu() -> Cpu:
    """The processor of this machine, from what the system tells without further libraries."""
    if CPUINFO.exists():
        return parse_cpuinfo(CPUINFO.read_text(encoding="utf-8", errors="replace"))
    if platform.system() == "Darwin":
        return parse_sysctl(
            subprocess.run(["sysctl", "machdep.cpu", "hw.optional"], capture_output=True, text=True).stdout
        )
    return Cpu(platform.processor() or "unknown", None)


def parse_cpuinfo(text: str) -> Cpu:
    """Read Linux' /proc/cpuinfo ("flags" on x86, "Features" on ARM); the first processor stands for all."""
    lines = (line.partition(":") for line in text.splitlines())
    values: dict[str, str] = {}
    for key, _, value in lines:
        values.setdefault(key.strip().lower(), value.strip())
    name = values.get("model name") or platform.processor() or "unknown"
    flags = values.get("flags", values.get("features"))
    return Cpu(name, None if flags is None else _known(set(flags.lower().split())))


def parse_sysctl(text: str) -> Cpu:
    """Read macOS' `sysctl machdep.cpu hw.optional`: flag lists on Intel, one line for each feature on Apple silicon."""
    values = {key: value.strip() for key, _, value in (line.partition(":") for line in text.splitlines())}
    flags = {key.rpartition(".")[2].lower() for key, value in values.items() if value == "1"}
    for key in ("machdep.cpu.features", "machdep.cpu.leaf7_features"):
        flags |= set(values.get(key, "").lower().split())
    return Cpu(values.get("machdep.cpu.brand_string", "unknown"), _known(flags) if flags else None)


def _known(flags: set[str]) -> tuple[str, ...]:
    return tuple(name for name, reported_as in FEATURES.items() if flags & reported_as)
