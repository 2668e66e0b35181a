"""featx inside scikit-learn: image files to features as a transformer, any head as a classifier."""

from featx.estimators.classifier import HeadClassifier
from featx.estimators.extractor import FeatureExtractor

__all__ = ["FeatureExtractor", "HeadClassifier"]

# Pickles name the module of a class: this one, wherever in it the class stands.
FeatureExtractor.__module__ = HeadClassifier.__module__ = __name__
