"""Which backbones exist: every image classifier of ``keras.applications``, by one table, and one of featx' own.

Nothing here loads Keras.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from featx.errors import UnknownBackbone, UnknownLayer
from featx.system.names import did_you_mean

_WEIGHTS_FOLDER = Path(__file__).with_name("weights")
_MOST_SHOWN = 20


@dataclasses.dataclass(frozen=True)
class BackboneSpec:
    """What is known of a backbone without building it.

    Parameters
    ----------
    name : str
        What the user types.
    preprocess : str
        The pixel scaling it was trained with, by Keras' name; ``none`` where the network has layers for it.
    image_size : tuple of int
        Default (height, width) [px].
    smallest_side : int
        It cannot take smaller images [px].
    layers : tuple of str
        Layers kept by default.
    map_shape : tuple of int
        (height, width, channels) of that layer's output at the default image size.
    parameters : int
        Of the network without its top.
    builder : str
        Its name in ``keras.applications``, or among those that featx builds itself; empty for the stub.
    top_layers : tuple of str
        Layers that only the network with its top has.
    weights_file, top_weights_file : str
        What Keras calls the ImageNet weights without and with the top; empty where Keras has none.
    rescales : bool
        Whether Keras adds a layer to it where ``weights="imagenet"``.
    bundled : Path or None
        Weights file inside this package.
    bundled_digest : str
        SHA-256 of that file, in hexadecimal.
    """

    name: str
    preprocess: str
    image_size: tuple[int, int]
    smallest_side: int
    layers: tuple[str, ...]
    map_shape: tuple[int, int, int]
    parameters: int
    builder: str = ""
    top_layers: tuple[str, ...] = ()
    weights_file: str = ""
    top_weights_file: str = ""
    rescales: bool = False
    bundled: Path | None = None
    bundled_digest: str = ""

    @property
    def is_stub(self) -> bool:
        """Whether it is no network at all."""
        return not self.builder

    @property
    def from_file(self) -> bool:
        """Whether it is whatever network a file holds, of one kind of file."""
        return self.name in IMPORTED

    @property
    def can_be_winograd(self) -> bool:
        """Whether the Winograd engine has all of its layers: of files it reads none, and ConvNeXts have others."""
        return not self.from_file and not self.builder.startswith("ConvNeXt")

    @property
    def of_keras(self) -> bool:
        """Whether Keras builds it, and downloads its weights."""
        return bool(self.weights_file)

    @property
    def top_is_pooled(self) -> bool:
        """Whether the top begins with a pooling, and so takes images of any size; VGG's begins with all positions."""
        return "fc1" not in self.top_layers

    @property
    def features(self) -> int:
        """Features an image, whole maps, at the default image size."""
        height, width, channels = self.map_shape
        return height * width * channels

    def needs_top(self, layers: Sequence[str]) -> bool:
        """Tell whether some of the layers are in the network's top."""
        return any(layer in self.top_layers for layer in layers)


@dataclasses.dataclass(frozen=True)
class _Family:
    """What the backbones of one paper share.

    ``last`` is the last layer before the top, ``top`` the layers of the top, with ``{}`` for the stem of the file names.
    ``files`` are those of the weights without and with the top. A last layer without a name of its own is called ``last``.
    """

    preprocess: str
    last: str
    top: tuple[str, ...]
    files: tuple[str, str]
    smallest: int = 32
    rescales: bool = False


_KERNELS = ("{}_weights_tf_dim_ordering_tf_kernels_notop.h5", "{}_weights_tf_dim_ordering_tf_kernels.h5")
_SHORT = ("{}_notop.h5", "{}.h5")
_POOLED = ("avg_pool", "predictions")
_DROPPED = ("avg_pool", "top_dropout", "predictions")
_MOBILE_V3_FILES = ("weights_{}_224_1.0_float_no_top_v2.h5", "weights_{}_224_1.0_float.h5")


def _mobile_v3_top(activation: int) -> tuple[str, ...]:
    return ("global_average_pooling2d", "conv_2", f"activation_{activation}", "dropout", "logits", "flatten", "predictions")


_VGG = _Family("caffe", "block5_pool", ("flatten", "fc1", "fc2", "predictions"), _KERNELS)
_RESNET = _Family("caffe", "conv5_block3_out", _POOLED, _KERNELS)
_RESNET_V2 = _Family("tf", "post_relu", _POOLED, _KERNELS)
_INCEPTION_V3 = _Family("tf", "mixed10", _POOLED, _KERNELS, smallest=75)
_INCEPTION_RESNET = _Family("tf", "conv_7b_ac", _POOLED, _KERNELS, smallest=75)
_XCEPTION = _Family("tf", "block14_sepconv2_act", _POOLED, _KERNELS, smallest=71)
_MOBILE = _Family(
    "tf",
    "conv_pw_13_relu",
    ("global_average_pooling2d", "dropout", "conv_preds", "reshape", "predictions"),
    ("{}_tf_no_top.h5", "{}_tf.h5"),
)
_MOBILE_V2 = _Family("tf", "out_relu", ("global_average_pooling2d", "predictions"), ("{}_1.0_224_no_top.h5", "{}_1.0_224.h5"))
_MOBILE_V3_SMALL = _Family("none", "last", _mobile_v3_top(18), _MOBILE_V3_FILES)
_MOBILE_V3_LARGE = _Family("none", "last", _mobile_v3_top(20), _MOBILE_V3_FILES)
_DENSENET = _Family("torch", "relu", _POOLED, _KERNELS)
_NASNET = _Family("tf", "last", ("global_average_pooling2d", "predictions"), ("{}_no_top.h5", "{}.h5"))
_EFFICIENT = _Family("none", "top_activation", _DROPPED, _SHORT, rescales=True)
_EFFICIENT_V2 = _Family("none", "top_activation", _DROPPED, _SHORT)
_CONVNEXT = _Family("none", "last", ("{}_head_gap", "{}_head_layernorm", "{}_head_dense"), _SHORT)

# Family, builder, stem of the weights' file names, default side [px], side and channels of the last map, parameters. Not
# from memory: a test builds each and compares.
_NETWORKS: tuple[tuple[_Family, str, str, int, int, int, int], ...] = (
    (_VGG, "VGG16", "vgg16", 224, 7, 512, 14_714_688),
    (_VGG, "VGG19", "vgg19", 224, 7, 512, 20_024_384),
    (_RESNET, "ResNet50", "resnet50", 224, 7, 2048, 23_587_712),
    (_RESNET, "ResNet101", "resnet101", 224, 7, 2048, 42_658_176),
    (_RESNET, "ResNet152", "resnet152", 224, 7, 2048, 58_370_944),
    (_RESNET_V2, "ResNet50V2", "resnet50v2", 224, 7, 2048, 23_564_800),
    (_RESNET_V2, "ResNet101V2", "resnet101v2", 224, 7, 2048, 42_626_560),
    (_RESNET_V2, "ResNet152V2", "resnet152v2", 224, 7, 2048, 58_331_648),
    (_INCEPTION_V3, "InceptionV3", "inception_v3", 299, 8, 2048, 21_802_784),
    (_INCEPTION_RESNET, "InceptionResNetV2", "inception_resnet_v2", 299, 8, 1536, 54_336_736),
    (_XCEPTION, "Xception", "xception", 299, 10, 2048, 20_861_480),
    (_MOBILE, "MobileNet", "mobilenet_1_0_224", 224, 7, 1024, 3_228_864),
    (_MOBILE_V2, "MobileNetV2", "mobilenet_v2_weights_tf_dim_ordering_tf_kernels", 224, 7, 1280, 2_257_984),
    (_MOBILE_V3_SMALL, "MobileNetV3Small", "mobilenet_v3_small", 224, 7, 576, 939_120),
    (_MOBILE_V3_LARGE, "MobileNetV3Large", "mobilenet_v3_large", 224, 7, 960, 2_996_352),
    (_DENSENET, "DenseNet121", "densenet121", 224, 7, 1024, 7_037_504),
    (_DENSENET, "DenseNet169", "densenet169", 224, 7, 1664, 12_642_880),
    (_DENSENET, "DenseNet201", "densenet201", 224, 7, 1920, 18_321_984),
    (_NASNET, "NASNetMobile", "nasnet_mobile", 224, 7, 1056, 4_269_716),
    (_NASNET, "NASNetLarge", "nasnet_large", 331, 11, 4032, 84_916_818),
    (_EFFICIENT, "EfficientNetB0", "efficientnetb0", 224, 7, 1280, 4_049_571),
    (_EFFICIENT, "EfficientNetB1", "efficientnetb1", 240, 8, 1280, 6_575_239),
    (_EFFICIENT, "EfficientNetB2", "efficientnetb2", 260, 9, 1408, 7_768_569),
    (_EFFICIENT, "EfficientNetB3", "efficientnetb3", 300, 10, 1536, 10_783_535),
    (_EFFICIENT, "EfficientNetB4", "efficientnetb4", 380, 12, 1792, 17_673_823),
    (_EFFICIENT, "EfficientNetB5", "efficientnetb5", 456, 15, 2048, 28_513_527),
    (_EFFICIENT, "EfficientNetB6", "efficientnetb6", 528, 17, 2304, 40_960_143),
    (_EFFICIENT, "EfficientNetB7", "efficientnetb7", 600, 19, 2560, 64_097_687),
    (_EFFICIENT_V2, "EfficientNetV2B0", "efficientnetv2-b0", 224, 7, 1280, 5_919_312),
    (_EFFICIENT_V2, "EfficientNetV2B1", "efficientnetv2-b1", 240, 8, 1280, 6_931_124),
    (_EFFICIENT_V2, "EfficientNetV2B2", "efficientnetv2-b2", 260, 9, 1408, 8_769_374),
    (_EFFICIENT_V2, "EfficientNetV2B3", "efficientnetv2-b3", 300, 10, 1536, 12_930_622),
    (_EFFICIENT_V2, "EfficientNetV2S", "efficientnetv2-s", 384, 12, 1280, 20_331_360),
    (_EFFICIENT_V2, "EfficientNetV2M", "efficientnetv2-m", 480, 15, 1280, 53_150_388),
    (_EFFICIENT_V2, "EfficientNetV2L", "efficientnetv2-l", 480, 15, 1280, 117_746_848),
    (_CONVNEXT, "ConvNeXtTiny", "convnext_tiny", 224, 7, 768, 27_820_128),
    (_CONVNEXT, "ConvNeXtSmall", "convnext_small", 224, 7, 768, 49_454_688),
    (_CONVNEXT, "ConvNeXtBase", "convnext_base", 224, 7, 1024, 87_566_464),
    (_CONVNEXT, "ConvNeXtLarge", "convnext_large", 224, 7, 1536, 196_230_336),
    (_CONVNEXT, "ConvNeXtXLarge", "convnext_xlarge", 224, 7, 2048, 348_147_968),
)


def _spec(family: _Family, builder: str, stem: str, side: int, map_side: int, channels: int, parameters: int) -> BackboneSpec:
    bundled = builder == "VGG16"
    return BackboneSpec(
        name=builder.lower(),
        preprocess=family.preprocess,
        image_size=(side, side),
        smallest_side=family.smallest,
        layers=(family.last,),
        map_shape=(map_side, map_side, channels),
        parameters=parameters,
        builder=builder,
        top_layers=tuple(layer.format(stem) for layer in family.top),
        weights_file=family.files[0].format(stem),
        top_weights_file=family.files[1].format(stem),
        rescales=family.rescales,
        bundled=_WEIGHTS_FOLDER / "vgg16-imagenet-notop.weights.h5" if bundled else None,
        bundled_digest="417aae7520d1ef3cdc876551fa815cd628d976506bf7840add19592cc705664d" if bundled else "",
    )


# Not a network: the mean colour of each cell. Tests and fault injection run the whole pipeline in seconds on it.
_STUB = BackboneSpec("stub", "none", (224, 224), 32, ("cells",), (7, 7, 3), 0)

# It has no top here: 1,280,000 more parameters that no feature comes from.
_LITE0 = BackboneSpec(
    name="efficientnet-lite0",
    preprocess="none",
    image_size=(224, 224),
    smallest_side=32,
    layers=("top_activation",),
    map_shape=(7, 7, 1280),
    parameters=3_413_024,
    builder="EfficientNetLite0",
    bundled=_WEIGHTS_FOLDER / "efficientnet-lite0-imagenet-notop.weights.h5",
    bundled_digest="99d49f549894d8a165f77918462caea60d3025ddce487fc35251ed83ef0a824d",
)

BACKBONES: dict[str, BackboneSpec] = {spec.name: spec for spec in (*(_spec(*row) for row in _NETWORKS), _LITE0, _STUB)}

# Networks in files, by the kind of file: recipes name the kind here and the file by its digest, so that it may be moved.
IMPORTED: dict[str, BackboneSpec] = {
    kind: BackboneSpec(kind, "none", (224, 224), 1, (), (0, 0, 0), 0, builder=kind) for kind in ("onnx", "keras")
}


def backbone_spec(name: str) -> BackboneSpec:
    """Look a backbone up.

    Raises
    ------
    UnknownBackbone
        If there is none of that name.
    """
    if name in BACKBONES or name in IMPORTED:
        return BACKBONES.get(name) or IMPORTED[name]
    plain = name.lower().replace("-", "").replace("_", "")
    hint = did_you_mean(plain, BACKBONES, most=3)
    raise UnknownBackbone(
        f"backbone {name!r}: unknown. {hint}featx backbones lists all {sum(not spec.is_stub for spec in BACKBONES.values())}."
    )


def unknown_layer(backbone: str, layer: str, layers: Sequence[str], top_layers: Sequence[str]) -> UnknownLayer:
    """Return the error for a layer that a backbone does not have: with the near ones, or all where there are few."""
    hint = did_you_mean(layer, [*layers, *top_layers], most=3, cutoff=0.5)
    shown = layers if len(layers) <= _MOST_SHOWN else ["…", *layers[-_MOST_SHOWN:]]
    of_top = f"; with --weights of the whole network also {', '.join(top_layers)}" if top_layers else ""
    return UnknownLayer(f"{backbone}: has no layer {layer!r}. {hint}It has: {', '.join(shown)}{of_top}.")
