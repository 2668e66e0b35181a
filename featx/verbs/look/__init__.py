"""The verb look: what is in a folder of images, before anything is extracted."""

from featx.verbs.look.look import look_at_images
from featx.verbs.look.result import Example, Look, Shape

__all__ = ["Example", "Look", "Shape", "look_at_images"]
