"""From a fitted head to a model."""

from typing import Any

import numpy as np

from featx.heads import Head
from featx.models import TRAINED_ON_BYTES, Model, library_versions
from featx.verbs.fit.answers import LearnedAnswers
from featx.verbs.fit.learning import LearningImages
from featx.verbs.fit.request import FitRequest


def assemble_model(
    request: FitRequest,
    images: LearningImages,
    fitted: Head,
    metrics: dict[str, Any],
    tuning: list[dict[str, Any]],
    answers: LearnedAnswers,
) -> Model:
    """Return the model: the fitted head, with everything that using it on new images takes."""
    store, catalog = request.store, request.store.catalog
    return Model(
        recipe=store.recipe,
        layer=request.layer,
        pooling=request.features,
        head_name=request.spec.name,
        head=fitted,
        class_names=images.class_names,
        history=fitted.history_,
        metrics=metrics,
        network=_network_up_to(store.network, request.layer),
        source={
            "cache": str(store.folder.resolve()),
            "images": catalog.source,
            "weights_file": store.network.get("weights_file", ""),
        },
        versions=library_versions(),
        tuning=tuning,
        temperature=answers.calibration.temperature,
        isotonic=answers.calibration.isotonic,
        conformal=answers.conformal,
        point=answers.point,
        task=images.task,
        points=answers.points,
        intervals=answers.intervals,
        grade_answer=answers.grade_answer,
        quantized=request.quantized,
        views={"augment": catalog.augment, "seed": catalog.view_seed, "count": 1 + len(catalog.view_keys)},
        trained_on=np.unique(catalog.digests[images.train][:, :TRAINED_ON_BYTES], axis=0),
    )


def _network_up_to(network: dict[str, Any], layer: str) -> dict[str, Any]:
    """Return the description of a backbone up to one of its layers."""
    layers = network.get("layers", [])
    last = next((place for place, entry in enumerate(layers) if entry["name"] == layer), len(layers))
    kept = layers[: last + 1]
    # A description without layers, as tests have it, still has its count.
    return {"parameters": sum(entry["parameters"] for entry in kept) if kept else network.get("parameters", 0), "layers": kept}
