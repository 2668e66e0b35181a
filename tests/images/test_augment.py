"""Augmented views: what a spec may say, and that a view is that and nothing else, today and in any other process."""

import dataclasses
import hashlib
import math
import random
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from featx.errors import AugmentError
from featx.images import augment
from featx.images.augment import DEFAULT_AUGMENT, Augmentation, augmented, view_key

MOST = {"rotate": 180.0, "zoom": 0.8, "shear": 1.0, "shift": 0.5, "brightness": 1.0}
"""How far each property may go."""

DIGEST = hashlib.sha256(b"an image").digest()
EVERYTHING = Augmentation.parse(DEFAULT_AUGMENT)
UTMOST = Augmentation(flip=True, **MOST)

AUGMENTATIONS = st.builds(
    Augmentation, flip=st.booleans(), **{name: st.floats(0, most) for name, most in MOST.items()}
) | st.builds(Augmentation, flip=st.just(True), rotate=st.integers(0, 180), zoom=st.sampled_from([0, 0.5, 0.1 + 0.2]))


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Return the image that hides nothing: no two neighbours are alike."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def views(spec: str, pixels: np.ndarray, count: int = 60) -> Iterator[np.ndarray]:
    """Make views 1, 2 …."""
    for view in range(1, count + 1):
        yield augmented(pixels, DIGEST, Augmentation.parse(spec), 0, view)


@settings(max_examples=300, deadline=None)
@given(AUGMENTATIONS.filter(lambda augmentation: augmentation != Augmentation()))
def test_spec_is_read_back_as_it_is_written(augmentation: Augmentation) -> None:
    """``parse`` undoes ``str`` to the last bit of each number, and what it gives is written alike."""
    spec = str(augmentation)
    assert Augmentation.parse(spec) == augmentation
    assert str(Augmentation.parse(spec)) == spec


@pytest.mark.parametrize(
    "spec", ["rotate=15,flip,zoom=0.2", " flip , zoom = .2,rotate = 15.0 ,", "zoom=2e-1,,rotate=1.5e1,shear=0,flip"]
)
def test_spec_has_one_form_however_it_is_written(spec: str) -> None:
    """Order, spaces, zeros and the way a number is written change neither the spec nor the key of a view."""
    augmentation = Augmentation.parse(spec)
    assert str(augmentation) == "flip,rotate=15,zoom=0.2"
    assert view_key(augmentation, 3, 2) == view_key(Augmentation(flip=True, rotate=15, zoom=0.2), 3, 2)


@settings(max_examples=100, deadline=None)
@given(AUGMENTATIONS.filter(lambda augmentation: augmentation != Augmentation()), st.randoms(use_true_random=False))
def test_order_and_spaces_of_a_spec_do_not_matter(augmentation: Augmentation, order: random.Random) -> None:
    """Its parts may stand in any order with any spaces around them."""
    parts = str(augmentation).split(",")
    order.shuffle(parts)
    assert Augmentation.parse(" , ".join(parts).replace("=", "  = ")) == augmentation


def test_default_spec_is_in_its_own_form() -> None:
    """What the help shows is what a cache says of itself."""
    assert str(Augmentation.parse(DEFAULT_AUGMENT)) == DEFAULT_AUGMENT


UNKNOWN = ("nonsense", "rotate", "rotate=", "rotate=far", "rotate=1=2", "flip=1", "flip=", "=5", "Flip", "turn=5", "rotate:5")


@pytest.mark.parametrize("part", UNKNOWN)
def test_unknown_part_is_named_beside_what_is_known(part: str) -> None:
    """The message quotes the part that is wrong, and says what could stand there."""
    with pytest.raises(AugmentError) as raised:
        Augmentation.parse(f"zoom=0.1, {part}")
    assert str(raised.value) == (
        f"--augment: {part!r} is not known. Give any of flip, rotate=NUMBER, zoom=NUMBER, shear=NUMBER, shift=NUMBER, "
        f"brightness=NUMBER, with commas between, such as {DEFAULT_AUGMENT}"
    )


@pytest.mark.parametrize(
    ("spec", "name"), [("flip,flip", "flip"), ("zoom=0.1,flip,zoom=0.1", "zoom"), ("shift=0,shift=0", "shift")]
)
def test_part_that_stands_twice_is_refused(spec: str, name: str) -> None:
    """Which of the two was meant is not guessed, even where they agree."""
    with pytest.raises(AugmentError) as raised:
        Augmentation.parse(spec)
    assert str(raised.value) == f"--augment: {name} stands twice in {spec!r}. Give it once."


@pytest.mark.parametrize("name", MOST)
@pytest.mark.parametrize("number", ["-0.001", "nan", "inf", "-inf", "1e9"])
def test_number_outside_its_range_is_refused(name: str, number: str) -> None:
    """The message says the range and what was found; no number that is none slips through."""
    with pytest.raises(AugmentError) as raised:
        Augmentation.parse(f"{name}={number}")
    wanted = f"--augment: {name} must be from 0 to {MOST[name]:g}. Received: {float(number)!r}."
    assert str(raised.value) == wanted
    with pytest.raises(AugmentError):
        Augmentation(**{name: float(number)})


@pytest.mark.parametrize("name", MOST)
def test_range_ends_where_it_says(name: str) -> None:
    """The last number is allowed, the next one is not."""
    assert getattr(Augmentation.parse(f"{name}={MOST[name]!r}"), name) == MOST[name]
    with pytest.raises(AugmentError, match=f"{name} must be from 0 to"):
        Augmentation.parse(f"{name}={math.nextafter(MOST[name], math.inf)!r}")


@pytest.mark.parametrize("spec", ["", "  ", ",", " , ,"])
def test_spec_that_names_nothing_is_refused(spec: str) -> None:
    """An empty spec would cache the same picture many times over."""
    with pytest.raises(AugmentError) as raised:
        Augmentation.parse(spec)
    assert str(raised.value) == f"--augment: {spec!r} names nothing to change. Give something such as {DEFAULT_AUGMENT}"


@pytest.mark.parametrize("spec", ["rotate=0", "zoom=0.0,shift=-0", "shear=1e-400"])
def test_spec_that_changes_nothing_is_refused_at_once_or_not_at_all(spec: str) -> None:
    """What ``parse`` lets through can be written down and read again, as the decoding processes do."""
    try:
        augmentation = Augmentation.parse(spec)
    except AugmentError:
        return
    assert Augmentation.parse(str(augmentation)) == augmentation


def test_clean_image_has_the_key_zero() -> None:
    """View 0 is the clean image whatever the spec and seed: all specs share its row in a cache."""
    assert {view_key(augmentation, seed, 0) for augmentation in (EVERYTHING, UTMOST) for seed in range(3)} == {0}


def test_every_other_view_has_a_key_of_its_own() -> None:
    """Another value of any property, another seed or another view is another key."""
    specs = [Augmentation(), EVERYTHING, dataclasses.replace(EVERYTHING, flip=False)]
    specs += [dataclasses.replace(EVERYTHING, **{name: 0.123}) for name in MOST]
    specs += [dataclasses.replace(EVERYTHING, rotate=math.nextafter(15, 16))]
    keys = [view_key(spec, seed, view) for spec in specs for seed in (0, 1, 11) for view in (1, 2, 11, 111)]
    assert len(set(keys)) == len(keys) == len(specs) * 12


@given(AUGMENTATIONS, st.integers(0, 2**63), st.integers(1, 1000))
def test_key_of_a_view_is_a_positive_int64(augmentation: Augmentation, seed: int, view: int) -> None:
    """It fits the column that it is cached in, and is never the clean image's."""
    key = view_key(augmentation, seed, view)
    assert 1 <= key <= 2**63 - 1
    assert int(np.int64(key)) == key


def test_keys_and_draws_stay_what_they_were() -> None:
    """Caches hold these: whoever changes one of them raises ``AUGMENT_VERSION``, and the numbers here."""
    assert augment.AUGMENT_VERSION == 1
    assert [view_key(EVERYTHING, 0, 1), view_key(EVERYTHING, 7, 3), view_key(Augmentation(rotate=7.5), 0, 1)] == [
        4142186668850474501,
        2952611623499031645,
        1173703042354932764,
    ]
    pixels = noise(4, 6)
    mirrored = [number for number, view in enumerate(views("flip", pixels, 24), start=1) if (view != pixels).any()]
    assert mirrored == [1, 5, 9, 10, 12, 13, 14, 16, 17, 18, 21]
    grey = np.full((1, 1, 3), 100, np.uint8)
    assert [int(view[0, 0, 0]) for view in views("brightness=0.5", grey, 12)] == [
        116,
        145,
        109,
        123,
        96,
        118,
        118,
        132,
        84,
        75,
        81,
        138,
    ]


def test_clean_view_is_the_image_itself() -> None:
    """View 0 has the very pixels, with nothing resampled."""
    pixels = noise(9, 7)
    np.testing.assert_array_equal(augmented(pixels, DIGEST, UTMOST, 0, 0), pixels)


def test_view_is_the_same_each_time_and_in_another_process() -> None:
    """Neither the time, the process, the order of the views nor NumPy's and Python's own random state changes a view."""
    code = f"""
import hashlib, random
import numpy as np
from featx.images.augment import Augmentation, augmented
np.random.seed(5); random.seed(5)
pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
for view in (5, 3, 1, 2, 4):
    pixels_of_view = augmented(pixels, {DIGEST!r}, Augmentation.parse({DEFAULT_AUGMENT!r}), 3, view)
    print(view, hashlib.sha256(pixels_of_view.tobytes()).hexdigest())
"""
    pixels = noise(20, 30)
    here = [hashlib.sha256(augmented(pixels, DIGEST, EVERYTHING, 3, view).tobytes()).hexdigest() for view in range(1, 6)]
    again = [hashlib.sha256(augmented(pixels, DIGEST, EVERYTHING, 3, view).tobytes()).hexdigest() for view in range(1, 6)]
    assert again == here
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [f"{view} {here[view - 1]}" for view in (5, 3, 1, 2, 4)]


def test_view_differs_by_digest_seed_view_and_spec() -> None:
    """Two images of the same pixels but other bytes, two seeds, two numbers and two specs are drawn apart."""
    pixels = noise(20, 30)
    other = hashlib.sha256(b"another").digest()
    drawn = [
        augmented(pixels, digest, spec, seed, view).tobytes()
        for digest in (DIGEST, other)
        for spec in (EVERYTHING, UTMOST)
        for seed in (0, 1)
        for view in (0, 1, 2)
    ]
    assert len(set(drawn)) == 1 + 2 * 2 * 2 * 2


@pytest.mark.parametrize("spec", ["flip", "brightness=0.5", DEFAULT_AUGMENT])
def test_image_is_left_as_it_was(spec: str) -> None:
    """The clean pixels may be read-only, and are the same afterwards."""
    pixels = noise(8, 9)
    pixels.setflags(write=False)
    for view in views(spec, pixels, 5):
        assert (view.shape, view.dtype) == (pixels.shape, np.uint8)
    np.testing.assert_array_equal(pixels, noise(8, 9))


@pytest.mark.parametrize(("height", "width"), [(7, 10), (10, 7), (1, 1), (1, 6), (6, 1)])
def test_flip_mirrors_every_other_view_exactly(height: int, width: int) -> None:
    """Alone it gives the image or its mirror image, left and right exchanged, and about as many of each."""
    pixels = noise(height, width)
    mirrored = 0
    for view in views("flip", pixels, 200):
        is_mirrored = np.array_equal(view, pixels[:, ::-1])
        assert is_mirrored or np.array_equal(view, pixels)
        mirrored += is_mirrored
    assert width == 1 or 70 < mirrored < 130


@pytest.mark.parametrize("spec", ["brightness=0.2", "brightness=1", "brightness=0.05"])
def test_brightness_multiplies_every_value_by_one_factor(spec: str) -> None:
    """Each value is the rounded product, at most 255, with one factor for the image; all of the range is drawn."""
    pixels = np.arange(256 * 3, dtype=np.uint8).reshape(16, 16, 3)
    most = Augmentation.parse(spec).brightness
    factors = []
    for view in views(spec, pixels):
        before, after = pixels.ravel().astype(float), view.ravel().astype(float)
        assert (after[before == 0] == 0).all()
        before, after = before[before > 0], after[before > 0]
        least = ((after - 0.5) / before).max()
        largest = ((after + 0.5) / before)[after < 255].min()
        assert least <= largest
        factor = (least + largest) / 2
        np.testing.assert_array_equal(after, np.clip(np.rint(before * factor), 0, 255))
        factors.append(factor)
    assert min(factors) >= 1 - most - 0.002
    assert max(factors) <= 1 + most + 0.002
    assert min(factors) < 1 - 0.7 * most
    assert max(factors) > 1 + 0.7 * most


RAMP_HEIGHT, RAMP_WIDTH = 200, 256


def ramp() -> np.ndarray:
    """Return an image whose red says the column and whose green says the row."""
    rows, columns = np.mgrid[:RAMP_HEIGHT, :RAMP_WIDTH]
    return np.stack([columns, rows, np.zeros_like(rows)], axis=2).astype(np.uint8)


def map_of(view: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return how a view of the ramp was made: the matrix and the shift [px] that move (x, y), seen from the middle."""
    red, green = view[..., 0].astype(float), view[..., 1].astype(float)
    inside = (red > 2) & (red < RAMP_WIDTH - 3) & (green > 2) & (green < RAMP_HEIGHT - 3)
    rows, columns = np.nonzero(inside)
    middle = np.array([(RAMP_WIDTH - 1) / 2, (RAMP_HEIGHT - 1) / 2])
    seen = np.column_stack([columns, rows]) - middle
    # Pillow cuts off what is behind the point: shifts are up to one pixel off.
    stored = np.column_stack([red[inside], green[inside]]) - middle
    solution, *_ = np.linalg.lstsq(np.column_stack([seen, np.ones(len(seen))]), stored, rcond=None)
    inverse, offset = solution[:2].T, solution[2]
    forward = np.linalg.inv(inverse)
    return forward, -forward @ offset


@pytest.mark.parametrize("most", [30, 180])
def test_rotation_turns_about_the_middle_as_far_as_it_may(most: int) -> None:
    """Alone it is a rotation, either way, by all angles up to the one given."""
    angles = []
    for view in views(f"rotate={most}", ramp()):
        matrix, shift = map_of(view)
        np.testing.assert_allclose(matrix @ matrix.T, np.eye(2), atol=0.01)
        assert np.linalg.det(matrix) > 0
        np.testing.assert_allclose(shift, 0, atol=1)
        angles.append(math.degrees(math.atan2(matrix[1, 0], matrix[0, 0])))
    assert max(map(abs, angles)) <= most + 0.5
    assert min(angles) < -0.7 * most
    assert max(angles) > 0.7 * most


@pytest.mark.parametrize("most", [0.2, 0.5])
def test_zoom_scales_height_and_width_each_by_its_own_factor(most: float) -> None:
    """Alone it leaves the middle where it is and has factors from 1 - zoom to 1 + zoom."""
    factors = []
    for view in views(f"zoom={most}", ramp()):
        matrix, shift = map_of(view)
        np.testing.assert_allclose(matrix - np.diag(np.diag(matrix)), 0, atol=0.01)
        np.testing.assert_allclose(shift, 0, atol=1)
        factors.append(np.diag(matrix))
    drawn = np.array(factors)
    assert (np.abs(drawn - 1) <= most + 0.01).all()
    assert (drawn.min(axis=0) < 1 - 0.7 * most).all()
    assert (drawn.max(axis=0) > 1 + 0.7 * most).all()
    assert abs(np.corrcoef(drawn.T)[0, 1]) < 0.4


@pytest.mark.parametrize("most", [0.2, 1.0])
def test_shear_moves_rows_sideways_by_their_distance_from_the_middle(most: float) -> None:
    """Alone it keeps every row in its row, and is at most so steep, either way."""
    slants = []
    for view in views(f"shear={most}", ramp()):
        matrix, shift = map_of(view)
        np.testing.assert_allclose(matrix, [[1, matrix[0, 1]], [0, 1]], atol=0.01)
        np.testing.assert_allclose(shift, 0, atol=1)
        slants.append(matrix[0, 1])
    assert max(map(abs, slants)) <= most + 0.01
    assert min(slants) < -0.7 * most
    assert max(slants) > 0.7 * most


@pytest.mark.parametrize("most", [0.1, 0.4])
def test_shift_is_a_share_of_height_and_width(most: float) -> None:
    """Alone it moves the image by up to so much of its own height and width, in all four directions."""
    shares = []
    for view in views(f"shift={most}", ramp()):
        matrix, shift = map_of(view)
        np.testing.assert_allclose(matrix, np.eye(2), atol=0.01)
        shares.append(shift / [RAMP_WIDTH, RAMP_HEIGHT])
    drawn = np.array(shares)
    assert (np.abs(drawn) <= most + 0.005).all()
    assert (drawn.min(axis=0) < -0.7 * most).all()
    assert (drawn.max(axis=0) > 0.7 * most).all()
    assert abs(np.corrcoef(drawn.T)[0, 1]) < 0.4


@pytest.mark.parametrize(("down", "right"), [(0, 0), (3, 0), (0, 4), (-2, 5), (6, -7), (-30, -30), (9, 12)])
def test_shift_by_whole_pixels_only_moves_them(down: int, right: int) -> None:
    """What is inside is moved unchanged; what comes in repeats the edge."""
    pixels = noise(9, 12)
    rows = np.clip(np.arange(9) - down, 0, 8)
    columns = np.clip(np.arange(12) - right, 0, 11)
    np.testing.assert_array_equal(augment._warp(pixels, np.eye(2), (down, right)), pixels[rows][:, columns])


MOVES = {
    "rotate": {"radians": 0.3},
    "rotate back by more than a right angle": {"radians": -2.0},
    "enlarge": {"zoom": (1.3, 1.7)},
    "shrink": {"zoom": (0.3, 0.6)},
    "shear": {"shear": 0.4},
    "shear back": {"shear": -1.0},
    "mirror": {"mirror": True},
    "shift": {"down": 3.3, "right": -7.6},
    "all": {"radians": 0.4, "zoom": (0.8, 1.2), "shear": -0.3, "mirror": True, "down": -4.2, "right": 5.9},
    "all, far": {"radians": 3.0, "zoom": (0.2, 0.2), "shear": 1.0, "mirror": True, "down": 20.0, "right": -24.0},
}


@pytest.mark.parametrize(("height", "width"), [(40, 48), (31, 90), (90, 31), (1, 1), (2, 1)])
@pytest.mark.parametrize("move", MOVES.values(), ids=MOVES)
def test_resampling_is_that_of_scipy(move: dict[str, Any], height: int, width: int) -> None:
    """Zoomed and mirrored, slanted, turned, then shifted: within a grey level of SciPy's linear interpolation, edges too."""
    move = {"radians": 0.0, "zoom": (1.0, 1.0), "shear": 0.0, "mirror": False, "down": 0.0, "right": 0.0} | move
    shift = (move.pop("down"), move.pop("right"))
    pixels = noise(height, width)
    view = augment._warp(pixels, augment._inverse(**move), shift)

    def place(row: float, column: float) -> list[float]:
        """Follow a point of the image, seen from its middle, through the steps one by one."""
        x, y = column * move["zoom"][1] * (-1 if move["mirror"] else 1), row * move["zoom"][0]
        x += move["shear"] * y
        angle = move["radians"]
        x, y = x * math.cos(angle) - y * math.sin(angle), x * math.sin(angle) + y * math.cos(angle)
        return [y + shift[0], x + shift[1]]

    origin = np.array(place(0, 0))
    forward = np.column_stack([place(1, 0) - origin, place(0, 1) - origin])
    middle = (np.array([height, width]) - 1) / 2
    inverse = np.linalg.inv(forward)
    offset = middle - inverse @ (middle + origin)
    wanted = [
        ndimage.affine_transform(pixels[..., channel].astype(float), inverse, offset, order=1, mode="nearest")
        for channel in range(3)
    ]
    np.testing.assert_allclose(view.astype(float), np.stack(wanted, axis=2), atol=1.01)


@pytest.mark.parametrize(("height", "width"), [(32, 48), (48, 32), (7, 3), (1, 1), (1, 50), (50, 1)])
@pytest.mark.parametrize("colour", [(255, 255, 255), (0, 128, 200)])
def test_nothing_but_the_image_comes_in_at_the_edges(colour: tuple[int, int, int], height: int, width: int) -> None:
    """One colour stays this colour in every corner, however far the image is turned, shrunk and shifted."""
    pixels = np.full((height, width, 3), colour, np.uint8)
    spec = str(dataclasses.replace(UTMOST, brightness=0))
    for view in views(spec, pixels):
        np.testing.assert_array_equal(view, pixels)


def test_one_pixel_is_its_own_view() -> None:
    """At 1 x 1 px there is nothing to move, only brightness is left."""
    pixel = np.array([[[10, 100, 200]]], np.uint8)
    for view in views(str(dataclasses.replace(UTMOST, brightness=0)), pixel, 20):
        np.testing.assert_array_equal(view, pixel)
