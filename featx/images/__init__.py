"""Images: what is in a folder, a file's pixels, ordered batches of them."""

from featx.images.decode import decode_image, read_image_file
from featx.images.identify import NEVER_TRUSTED, NO_DIGEST, Identities, KnownFile, identify_files
from featx.images.index import ImageIndex, list_images, list_unlabelled
from featx.images.loader import Batch, available_cores, load_batches
from featx.images.split import assign_splits
from featx.images.walk import REPORT_MARKER, REPORT_PLOTS

__all__ = [
    "NEVER_TRUSTED",
    "NO_DIGEST",
    "REPORT_MARKER",
    "REPORT_PLOTS",
    "Batch",
    "Identities",
    "ImageIndex",
    "KnownFile",
    "assign_splits",
    "available_cores",
    "decode_image",
    "identify_files",
    "list_images",
    "list_unlabelled",
    "load_batches",
    "read_image_file",
]
