"""Images: what is in a folder, a file's pixels, ordered batches of them."""

from featx.images.augment import DEFAULT_AUGMENT, MOST_VIEWS, Augmentation, view_key
from featx.images.decode import decode_image, read_image_file
from featx.images.decoder import decoder_notes
from featx.images.header import Header
from featx.images.headers import find_copies, read_headers
from featx.images.in_memory import Source, as_sources, pixels_of
from featx.images.listing.folds import deal_folds
from featx.images.listing.given import describe_rejected, paths_given
from featx.images.listing.grouping import GroupFrom, group_faults, group_images
from featx.images.listing.identify import NEVER_TRUSTED, NO_DIGEST, Identities, KnownFiles, identify_files
from featx.images.listing.index import ImageIndex, list_images
from featx.images.listing.members import members_of
from featx.images.listing.missing import describe_missing, find_missing
from featx.images.listing.options import ManifestKeywords, ManifestOptions
from featx.images.listing.part import Part, listing_digest, take_images
from featx.images.listing.passed import PassedOver
from featx.images.listing.split import assign_splits
from featx.images.listing.strata import Strata, strata_of
from featx.images.listing.targets import aligned
from featx.images.listing.unlabelled import UnlabelledFiles, list_unlabelled
from featx.images.listing.usable import file_faults, listing_faults, listing_notes, missing_rows
from featx.images.listing.walk import IMAGE_SUFFIXES, REPORT_MARKER, REPORT_PLOTS, natural_key
from featx.images.listing.written import check_manifest_path, write_manifest
from featx.images.loader import Batch, Views, load_batches
from featx.images.noticed import Noticed, are_many_blank
from featx.images.picture import BLANK, MEASURES, PICTURE_SIDE, Picture
from featx.images.pictured import Pictured, picture_files
from featx.images.raster import MAX_PIXELS, Traits
from featx.images.sniff import SNIFF_BYTES, sniff_format
from featx.images.thumbnail import THUMBNAIL_TYPE, Thumbnail, as_webp, make_thumbnails

__all__ = [
    "BLANK",
    "DEFAULT_AUGMENT",
    "IMAGE_SUFFIXES",
    "MAX_PIXELS",
    "MEASURES",
    "MOST_VIEWS",
    "NEVER_TRUSTED",
    "NO_DIGEST",
    "PICTURE_SIDE",
    "REPORT_MARKER",
    "REPORT_PLOTS",
    "SNIFF_BYTES",
    "THUMBNAIL_TYPE",
    "Augmentation",
    "Batch",
    "GroupFrom",
    "Header",
    "Identities",
    "ImageIndex",
    "KnownFiles",
    "ManifestKeywords",
    "ManifestOptions",
    "Noticed",
    "Part",
    "PassedOver",
    "Picture",
    "Pictured",
    "Source",
    "Strata",
    "Thumbnail",
    "Traits",
    "UnlabelledFiles",
    "Views",
    "aligned",
    "are_many_blank",
    "as_sources",
    "as_webp",
    "assign_splits",
    "check_manifest_path",
    "deal_folds",
    "decode_image",
    "decoder_notes",
    "describe_missing",
    "describe_rejected",
    "file_faults",
    "find_copies",
    "find_missing",
    "group_faults",
    "group_images",
    "identify_files",
    "list_images",
    "list_unlabelled",
    "listing_digest",
    "listing_faults",
    "listing_notes",
    "load_batches",
    "make_thumbnails",
    "members_of",
    "missing_rows",
    "natural_key",
    "paths_given",
    "picture_files",
    "pixels_of",
    "read_headers",
    "read_image_file",
    "sniff_format",
    "strata_of",
    "take_images",
    "view_key",
    "write_manifest",
]
