"""The verb sample: the bundled images, 800 of Fashion-MNIST in ten classes (MIT licence, see README.md beside this file)."""

from featx.verbs.sample.sample import ARCHIVE, IMAGE_SIZE, SampleResult, unpack_sample

__all__ = ["ARCHIVE", "IMAGE_SIZE", "SampleResult", "unpack_sample"]
