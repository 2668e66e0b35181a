"""Sphinx's settings. ``scripts/docs`` builds the pages; a warning is an error."""

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.ext.napoleon import Config, NumpyDocstring
from sphinx.util import logging

import featx
from docs import generate

project = "featx"
author = copyright = "the authors of featx"
release = version = featx.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"featx {release}"
html_show_sourcelink = False
html_static_path = ["static"]
html_css_files = ["pages.css"]

myst_heading_anchors = 3
suppress_warnings = ["myst.header"]  # benchmarks/RESULTS.md and the changelog are included as they are

nitpicky = True
# Other projects' names: there is no network in a build, so their pages are not linked.
nitpick_ignore_regex = [(r"py:.*", r"(numpy|DataFrame|h5py|pathlib|Path|os|PathLike|collections|typing|NotFittedError)(\..*)?")]
# What public objects hold for featx's own verbs; no part of the interface.
nitpick_ignore = [
    ("py:class", "featx.store.shards.shard.Shard"),
    ("py:class", "featx.store.cache_writer.CacheWriter"),
    ("py:class", "featx.images.raster.Traits"),
    ("py:class", "featx.heads.calibration.Calibration"),
    ("py:class", "featx.models.separation.Judged"),
    ("py:class", "featx.verbs.explain.cached.CachedCells"),
]

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_class_signature = "mixed"
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 100

# Types in docstrings are words for people ("ndarray of shape (n, 3)"), not names to link.
_NUMPYDOC = Config(
    napoleon_use_param=False, napoleon_use_rtype=False, napoleon_custom_sections=[("Attributes", "params_style")]
)


def _fill(app: Sphinx, page: str, source: list[str]) -> None:
    source[0] = generate.fill(source[0])


def _numpydoc(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Turn numpydoc's sections into reStructuredText. Sphinx's own extension takes a property's "Text: more" for a type."""
    if what != "property":
        lines[:] = NumpyDocstring(lines, _NUMPYDOC, app, what, name, obj, options).lines()


def _public(app: Sphinx, env: Any, node: Any, contnode: nodes.Node) -> nodes.Node | None:
    """Link a class by the module it is defined in to its public name."""
    if node.get("refdomain") != "py":
        return None
    domain, name = env.get_domain("py"), node["reftarget"].rpartition(".")[2]
    for full in (f"featx.{name}", f"featx.errors.{name}"):
        if full in generate.public_names():
            return domain.resolve_xref(env, node["refdoc"], app.builder, "obj", full, node, contnode)
    return None


def _check_complete(app: Sphinx, env: Any) -> None:
    """Warn, and so fail, where a public name is on no page or has no docstring."""
    documented = env.get_domain("py").objects
    for name in generate.public_names():
        if name not in documented:
            logging.getLogger(__name__).warning("%s: a public name that is on no reference page", name)
    for name in generate.undocumented():
        logging.getLogger(__name__).warning("%s: public, and has no docstring", name)


def setup(app: Sphinx) -> None:
    """Connect what makes and checks the reference pages."""
    app.connect("source-read", _fill)
    app.connect("autodoc-process-docstring", _numpydoc)
    app.connect("missing-reference", _public)
    app.connect("env-check-consistency", _check_complete)
