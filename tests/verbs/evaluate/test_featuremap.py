"""The map of features."""

import numpy as np
import pytest
from sklearn.decomposition import PCA

from featx.errors import FeatxError
from featx.verbs.evaluate.featuremap import MOST_MAPPED, choose_mapped, map_features


@pytest.fixture
def groups() -> np.ndarray:
    """Two groups of 30 rows of 20 features, far apart."""
    rng = np.random.default_rng(0)
    return (rng.normal(size=(60, 20)) + np.repeat([0, 12], 30)[:, None]).astype(np.float32)


def test_pca_is_scikit_learns(groups: np.ndarray) -> None:
    """The first two components, up to sign, and the share of the variance that they show."""
    found = map_features(groups, np.arange(60), "pca")
    assert found is not None
    own = PCA(2).fit(groups.astype(np.float64))
    np.testing.assert_allclose(np.abs(found.points), np.abs(own.transform(groups.astype(np.float64))), atol=1e-6)
    assert found.explained == pytest.approx(own.explained_variance_ratio_.sum(), rel=1e-6)


@pytest.mark.parametrize("method", ["auto", "tsne"])
def test_tsne_keeps_neighbours_together_and_is_the_same_each_time(groups: np.ndarray, method: str) -> None:
    """Each point's nearest is of its own group; few images take t-SNE by themselves."""
    found, again = (map_features(groups, np.arange(60), method) for _ in range(2))
    assert found is not None
    assert again is not None
    assert found.method == "tsne"
    np.testing.assert_array_equal(found.points, again.points)
    distances = np.linalg.norm(found.points[:, None] - found.points[None], axis=2) + np.diag([np.inf] * 60)
    assert (distances.argmin(axis=1) // 30 == np.repeat([0, 1], 30)).all()


@pytest.mark.parametrize(
    ("X", "method"),
    [
        (np.ones((2, 5)), "auto"),
        (np.ones((9, 5)), "auto"),
        (np.full((9, 5), np.nan), "pca"),
        (np.random.default_rng(0).random((9, 1)), "tsne"),
        (np.random.default_rng(0).random((9, 5)), "none"),
    ],
    ids=["two images", "all the same", "no numbers", "one feature", "not wanted"],
)
def test_where_there_is_nothing_to_see_there_is_no_map(X: np.ndarray, method: str) -> None:
    """None, and no warning of scikit-learn's."""
    assert map_features(X, np.arange(len(X)), method) is None


@pytest.mark.parametrize("n_images", [3, 4, 5])
def test_three_images_have_a_map(n_images: int) -> None:
    """The fewest; t-SNE's neighbourhood shrinks with them."""
    found = map_features(np.random.default_rng(0).random((n_images, 8)), np.arange(n_images), "auto")
    assert found is not None
    assert np.isfinite(found.points).all()


def test_of_very_many_images_some_are_drawn() -> None:
    """Ascending, each once, the same each time; of few all."""
    drawn = choose_mapped(3 * MOST_MAPPED)
    assert len(np.unique(drawn)) == MOST_MAPPED
    assert (np.diff(drawn) > 0).all()
    np.testing.assert_array_equal(drawn, choose_mapped(3 * MOST_MAPPED))
    np.testing.assert_array_equal(choose_mapped(5), np.arange(5))


def test_an_unknown_map_is_refused() -> None:
    """With those that there are."""
    with pytest.raises(FeatxError, match=r"map 'umap': unknown.*auto, pca, tsne, none"):
        map_features(np.ones((4, 4)), np.arange(4), "umap")
