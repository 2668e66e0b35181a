"""The verb look: what is in a folder of images, before anything is extracted."""

from featx.verbs.look.look import LookKeywords, look_at_images
from featx.verbs.look.result import Example, Look, Shape

__all__ = ["Example", "Look", "LookKeywords", "Shape", "look_at_images"]
