"""A new head is one class and one entry: everything else in featx takes it as it is."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import joblib
import keras
import numpy as np
import pytest

import featx
from featx.errors import HeadError
from featx.heads import HEADS, Head
from featx.images import MAX_PIXELS, load_batches
from tests.conftest import Run, as_json
from tests.heads import test_contract as contract
from tests.heads.made_up import ENTRY

# The contract of every head, but for the tests whose cases are listed by name and the one that starts a process, which
# knows of no made-up head.
LISTED = {
    "test_bad_values_of_every_setting_are_tried",
    "test_a_bad_setting_is_refused_by_its_name",
    "test_restoring_checks_the_settings_too",
    "test_a_restored_head_needs_numpy_alone",
}
globals().update({name: test for name, test in vars(contract).items() if name.startswith("test_") and name not in LISTED})
new_rows = contract.new_rows


@pytest.fixture(autouse=True, scope="module")
def _entry() -> Iterator[None]:
    """The one entry."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(HEADS, ENTRY.name, ENTRY)
        yield


@pytest.fixture
def name() -> str:
    """Name of the head under test, for the contract."""
    return ENTRY.name


@pytest.fixture
def fitted(name: str) -> Head:
    """The head fitted on the classes 2, 5 and 9, for the contract."""
    return contract.quick_head(name).fit(*contract.made_rows(60, contract.LABELS))


@pytest.mark.parametrize(("setting", "value"), [*contract.BAD_SCALES, *contract.BAD_SEEDS], ids=repr)
def test_its_bad_settings_are_refused_by_name(name: str, setting: str, value: Any) -> None:
    """As those of every head."""
    with pytest.raises(HeadError, match=rf"^{setting} must be .*Received: "):
        contract.quick_head(name, **{setting: value}).fit(*contract.made_rows(12, np.arange(3)))


@pytest.mark.parametrize("scale", ["standard", "l2", "sqrt", "none"])
def test_it_goes_all_the_way(run: Run, stub_cache: Path, photos: Path, tmp_path: Path, scale: str) -> None:
    """Fitted, evaluated and compared by the command line; saved, read, used on new images and exported, both ways."""
    fitted = as_json(run("fit", stub_cache, "--head", "centroid", "--scale", scale, "--out", "m.featx", "--json"))
    assert fitted["head"] == "centroid"
    evaluated = as_json(run("evaluate", "m.featx", "--out", "report", "--json"))
    assert evaluated["accuracy"] == 1.0
    compared = as_json(run("compare", stub_cache, "--heads", "centroid,logreg", "--folds", 3, "--json"))
    assert "centroid" in str(compared)
    model = featx.load_model(tmp_path / "m.featx")
    cache = featx.open_cache(str(stub_cache))
    files = [photos / path for path in cache.catalog.paths]
    predictions = list(featx.predict_images(tmp_path / "m.featx", files))
    assert [one.label for one in predictions] == [file.parent.name for file in files]
    pixels = np.concatenate([batch.images for batch in load_batches(files, model.recipe, len(files), 1, MAX_PIXELS, None)])
    X = cache.features(cache.catalog.rows(), pooling=model.pooling)
    wanted = model.head.predict_proba(X)
    network = keras.saving.load_model(featx.export_model(tmp_path / "m.featx", tmp_path / "it.keras").path)
    np.testing.assert_allclose(np.asarray(network.predict_on_batch(pixels)), wanted, rtol=0, atol=5e-5)
    pipeline = joblib.load(featx.export_model(tmp_path / "m.featx", tmp_path / "it.joblib").path)
    np.testing.assert_allclose(pipeline.predict_proba(X), wanted, rtol=0, atol=1e-6)
