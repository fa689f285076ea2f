"""The canonical GPU classes. The catalog says what each cloud calls them, offers and charges."""

from enum import Enum


class GpuClass(Enum):
    """One name on both clouds. A class that a cloud lacks is refused there with the reason."""

    T4 = "T4"
    L4 = "L4"
    A10G = "A10G"
    A100_40GB = "A100-40GB"
    A100_80GB = "A100-80GB"
    L40S = "L40S"
    H100 = "H100"
    H200 = "H200"
    B200 = "B200"
