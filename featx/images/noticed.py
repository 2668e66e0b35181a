"""What was noticed of many files while they were decoded, so that a run can say it at its end."""

import dataclasses
from collections.abc import Sequence

from featx.images.raster import Traits
from featx.recipe import FULL_DEPTH

_FEW = 0.05


@dataclasses.dataclass
class Noticed:
    """Counts of files whose pixels may not be what their owner thinks.

    Parameters
    ----------
    depth : str
        The recipe's.
    decoded : int
        Files that were looked at.
    bits : dict of str to int
        Those of 16 bits a sample, by the least of 8, 10, 12 and 16 bits that holds their largest value.
    stacks : int
        Those of more than one frame.
    most_frames : int
        The most that one of them has.
    blank : int
        Those whose picture is of one colour.
    """

    depth: str = FULL_DEPTH
    decoded: int = 0
    bits: dict[str, int] = dataclasses.field(default_factory=dict, init=False)
    stacks: int = 0
    most_frames: int = 1
    blank: int = 0

    def add(self, traits: Sequence[Traits]) -> None:
        """Count some files."""
        self.decoded += len(traits)
        for one in traits:
            self.blank += one.blank
            self.stacks += one.frames > 1
            self.most_frames = max(self.most_frames, one.frames)
            if one.bits:
                self.bits[str(one.bits)] = self.bits.get(str(one.bits), 0) + 1


def are_many_blank(blank: int, pictures: int) -> bool:
    """Tell whether so many pictures are of one colour that it is no chance: several, and at least one in twenty."""
    return blank > 1 and blank >= _FEW * pictures
