"""The reference pages, made from the code.

A line ``<!-- generated: NAME -->`` in a page is replaced, as the page is built, by the Markdown that ``PARTS[NAME]`` returns.
"""

import ast
import dataclasses
import functools
import importlib
import inspect
import os
import re
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import click

import featx
import featx.errors
from docs import first_classifier
from featx.cli import group
from featx.cli.spelling import options_of
from featx.store import Catalog, PartOf
from featx.system.results import Result

MARKER = re.compile(r"^<!-- generated: (.+?) -->$", re.MULTILINE)
ESTIMATORS = ("FeatureExtractor", "HeadClassifier")
_PACKAGE = Path(featx.__file__).parent


@dataclasses.dataclass(frozen=True)
class Document:
    """One JSON object that a command prints.

    Parameters
    ----------
    when : str
        Which call of the command prints it; empty for every call.
    result : str
        ``module:class`` of the dataclass whose fields are keys; empty for none.
    only : tuple of str
        Where not all fields are keys: those that are.
    renamed : mapping of str to str
        Further keys whose meaning is that of another field of ``result``.
    added : mapping of str to (str, str)
        Further keys, each with its type and meaning.
    """

    when: str = ""
    result: str = ""
    only: tuple[str, ...] = ()
    renamed: Mapping[str, str] = dataclasses.field(default_factory=dict)
    added: Mapping[str, tuple[str, str]] = dataclasses.field(default_factory=dict)


_PAGE = ("Path or None", "The HTML page; null with --no-page.")
_DRY_RUN = {"dry_run": ("bool", "Whether this is the plan of a dry run.")}
_FINGERPRINT = {"fingerprint": ("str", "Digest of the recipe.")}
_UNLISTED = {
    "skipped": ("dict", "Files in the folders that are no images, by suffix."),
    "passed_over": ("dict", "Folders that the system put there or hides, by name."),
    "hidden": ("int", "Hidden files in the folders."),
}
_LOOK = tuple(field.name for field in dataclasses.fields(featx.Look) if field.name not in ("examples", "heights", "widths"))
_EVALUATED = (
    *("split", "source", "accuracy", "balanced_accuracy", "macro_f1", "log_loss", "per_class"),
    *("notes", "cautions", "top3_accuracy", "intervals", "counts", "accuracy_without_near_duplicates", "strangers"),
)

_MEASURED = {
    "images": ("int", "Number of images measured."),
    "rejected": ("int", "Number of images that could not be measured."),
    "model": ("Path", "The model's file."),
    "split": ("str", "`train`, `val`, `test` or `all`."),
    "source": ("str", "Folder that the images are listed in."),
    "task": ("dict", "What the model answers: its `kind` (classes, labels, numbers or grades) and `names`."),
    "counts": ("dict", "`duplicates` among the images, how many of them were `seen_in_training`, `near_duplicates`, `groups`."),
    "notes": ("list of str", "Remarks for a reader of these figures."),
    "cautions": ("list of str", "Remarks too long for a terminal: few images, duplicates among them."),
    "report": ("Path", "The report's folder."),
    "page": _PAGE,
}

# tests/test_docs.py runs every command and compares its keys with these.
DOCUMENTS: dict[str, tuple[Document, ...]] = {
    "look": (
        Document(
            result="featx:Look",
            only=_LOOK,
            added={
                "examples": ("list of dict", "Of each image shown `path`, `label`, `split`, `height` and `width` [px]."),
                "page": _PAGE,
            },
        ),
    ),
    "extract": (
        Document("without --dry-run", "featx:ExtractResult", added=_DRY_RUN),
        Document("with --dry-run", "featx:ExtractPlan", added=_DRY_RUN),
    ),
    "audit": (
        Document(
            result="featx:Audit",
            added={
                "table": ("Path", "The file audit.csv."),
                "page": _PAGE,
                "manifest": ("Path or None", "With --write-manifest: the manifest; else null."),
                "manifest_counts": (
                    "dict or None",
                    "With --write-manifest: images kept, left out, and left out for each reason; else null.",
                ),
            },
        ),
    ),
    "doctor": (Document(result="featx.verbs.doctor:Diagnosis"),),
    "fit": (Document(result="featx:FitResult"),),
    "compare": (Document(result="featx:Comparison", added={"out": ("Path or None", "The CSV file, or null.")}),),
    "finetune": (Document(result="featx:FineTuneResult"),),
    "evaluate": (
        Document(
            "of classes and grades",
            result="featx:Evaluation",
            only=_EVALUATED,
            renamed={"model": "model_path", "operating_point": "operating"},
            added={
                "images": ("int", "Number of images measured."),
                "rejected": ("int", "Number of images that could not be measured."),
                "baseline": ("dict", "The class of most images here, `class_name`, and the `accuracy` of always answering it."),
                "ece": ("float or None", "Expected calibration error of the confidences; null where it cannot be computed."),
                "ece_interval": ("list of float or None", "Its 95 % bootstrap interval, low and high."),
                "temperature": ("float", "What the logarithms of the probabilities are divided by; 1 leaves them as they are."),
                "calibration": ("str", "`none`, `temperature` or `isotonic`."),
                "sets": (
                    "dict or None",
                    "Sets of classes: `level`, `method`, `coverage`, its `interval`, `mean_size`, `sizes` (classes in a set to "
                    "number of sets), `per_class`, `calibration_images`, `notes`; null for a model without scores.",
                ),
                "surest": (
                    "dict",
                    "The surest images: `aurc`, `table` (`share`, `images`, `accuracy`, `confidence`, `interval`), and the "
                    "curve, `share` and `accuracy`.",
                ),
                "task": _MEASURED["task"],
                "grades": (
                    "dict or None",
                    "Of grades: quadratic `kappa`, mean distance `mae` in grades, share `within_one` grade, and `intervals`.",
                ),
                "report": ("Path", "The report's folder."),
                "page": _PAGE,
            },
        ),
        Document(
            "of labels",
            result="featx.verbs.evaluate.label_measures:LabelFigures",
            only=(
                *("mean_average_precision", "macro_f1", "micro_f1", "subset_accuracy", "log_loss", "complete", "per_label"),
                *("pairs", "intervals"),
            ),
            added=_MEASURED,
        ),
        Document(
            "of numbers",
            result="featx:NumbersEvaluation",
            only=("per_target", "bounds"),
            added=_MEASURED,
        ),
    ),
    "predict": (
        Document(
            added={
                "predicted": ("int", "Number of images with a class."),
                "rejected": ("int", "Number of images without one."),
                "out": ("Path or None", "The file, or null."),
                "report": ("Path or None", "The page, or null."),
                "predictions": (
                    "list of dict",
                    "Without --out: a list with path, label, confidence, error and unfamiliar of each image; with --sets, set; "
                    "with --top, top, a list of label and confidence; with --probabilities, probabilities, class to number. Of "
                    "labels path, labels, error, unfamiliar and probabilities; of numbers path, values (target to value, low, "
                    "high), error and unfamiliar.",
                ),
                "notes": (
                    "list of str",
                    "Remarks on what was passed over, on the sets of --sets, and on a model too old to tell strange images.",
                ),
                **_UNLISTED,
            }
        ),
    ),
    "explain": (
        Document(
            added={
                "explained": ("int", "Number of images explained."),
                "rejected": ("int", "Number of images that could not be."),
                "limits": ("list of str", "How the cells were computed, and what they tell and do not."),
                "out": ("Path or None", "The page, or null."),
                **_UNLISTED,
                "explanations": ("list of Explanation", "Of each image, with `cells` as lists, a list a row."),
            }
        ),
    ),
    "export": (Document(result="featx:ExportResult"),),
    "inspect": (
        Document("of a cache", "featx.verbs.inspect:CacheSummary", added=_FINGERPRINT),
        Document(
            "of a model",
            "featx:Model",
            only=("layer", "pooling", "class_names", "task", "recipe", "metrics", "history", "tuning", "versions"),
            renamed={"head": "head_name"},
            added={
                "path": ("Path", "The model file."),
                "settings": ("dict", "The head's settings."),
                "finetuned_from": ("str or None", "The first layer that was fine-tuned, or null."),
                "parameters": ("dict", "`total`, `trainable`, `frozen`."),
                "layers": (
                    "list of dict",
                    "`name`, `type`, `output_shape`, `parameters`, `trainable` of backbone and head, in order.",
                ),
                **_FINGERPRINT,
            },
        ),
    ),
    "verify": (
        Document(
            result="featx.verbs.verify:VerifyResult",
            added={"sound": ("bool", "Whether nothing is damaged or missing; where not, the exit code is 1.")},
        ),
    ),
    "merge": (Document(result="featx:MergeResult"),),
    "pack": (Document(result="featx.verbs.pack:PackResult"),),
    "backbones": (
        Document(
            added={
                "backbones": (
                    "list of dict",
                    "A list; of each `name`, `image_size`, `smallest_side`, `preprocess`, `layers`, `map_shape`, "
                    "`features`, `parameters`, and `bundled`: whether its weights are in the package.",
                ),
            }
        ),
        Document(
            when="with FILE",
            result="featx.backbones:ImportedNetwork",
            only=("path", "kind", "digest", "image_size", "fixed_size", "batch", "preprocess", "parameters", "notes"),
            added={
                "layers": (
                    "list of dict",
                    "Of each `name`, `tensor` (its name in the file), `type`, `shape` (h, w, c), and `taken`: whether "
                    "`featx extract` would keep it.",
                ),
            },
        ),
    ),
    "sample": (Document(result="featx.verbs.sample:SampleResult"),),
    "demo": (
        Document(
            added={
                "accuracy": ("float", "Test accuracy of the dense head."),
                "report": ("Path", "The report's folder."),
                "page": ("Path or None", "The report's page."),
                "heads": ("dict", "Head to test accuracy."),
                "seconds": ("float", "Of the whole session."),
            }
        ),
    ),
}


# Where the keywords that functions take as ``**`` are described: which of the heads has one, and the class. Of two classes that
# describe the same keyword the first says what it means; heads each say what it means to them.
KEYWORDS: dict[str, tuple[tuple[str, str], ...]] = {
    "ManifestKeywords": (("", "featx.images:ManifestOptions"),),
    "LookKeywords": (("", "featx.images:ManifestOptions"), ("", "featx.verbs.extract.options:ExtractOptions")),
    "ExtractKeywords": (("", "featx.images:ManifestOptions"), ("", "featx.verbs.extract.options:ExtractOptions")),
    "TuningKeywords": (
        ("", "featx.verbs.finetune.settings:Schedule"),
        ("", "featx.verbs.finetune.settings:TuningSettings"),
    ),
    "HeadSettings": (
        ("dense, conv", "featx.heads.epochs.training:EpochHead"),
        ("conv", "featx.heads.epochs.conv:ConvHead"),
        ("logreg", "featx.heads.classical.linear:LogregHead"),
        ("svm", "featx.heads.classical.linear:SvmHead"),
        ("ridge", "featx.heads.classical.ridge:RidgeHead"),
        ("knn", "featx.heads.classical.neighbors:KnnHead"),
        ("svm of numbers", "featx.heads.columns.regression:SvmNumbers"),
    ),
}

_RENAMED_KEYWORDS = {"schedule": "kind"}  # Schedule's own name for it


def fill(text: str) -> str:
    """Replace every marker of a page by what it stands for.

    Raises
    ------
    KeyError
        If a marker names nothing that can be made.
    """
    return MARKER.sub(lambda found: PARTS[found[1]](), text)


def public_names() -> list[str]:
    """Return the dotted names that a reference page must have: the public names, and every exception."""
    return [*(f"featx.{name}" for name in featx.__all__), *(f"featx.errors.{error.__name__}" for error in exceptions())]


def undocumented() -> list[str]:
    """Return the public names, and the public methods of public classes, that have no docstring of their own."""
    found = []
    for name in public_names():
        module, _, attribute = name.rpartition(".")
        value = getattr(importlib.import_module(module), attribute)
        if not value.__doc__ or value.__doc__.startswith(f"{attribute}("):  # what a dataclass gets without one
            found.append(name)
        for key, member in vars(value).items() if isinstance(value, type) else ():
            if key[0] != "_" and isinstance(member, types.FunctionType | property | classmethod) and not member.__doc__:
                found.append(f"{name}.{key}")
    return found


def exceptions() -> list[type[Exception]]:
    """Return every exception of featx, in the order of the file: parents first."""
    return [value for value in vars(featx.errors).values() if isinstance(value, type) and issubclass(value, Exception)]


def keys(document: Document) -> dict[str, tuple[str, str]]:
    """Return the keys of a document, each with its type and meaning, in the code's own words."""
    found: dict[str, tuple[str, str]] = {}
    if document.result:
        result, meanings = _load(document.result), described(_load(document.result))
        names = document.only or [field.name for field in dataclasses.fields(result)]
        found |= {name: meanings[name] for name in names}
        found |= {key: meanings[name] for key, name in document.renamed.items()}
    return found | dict(document.added)


def described(result: type) -> dict[str, tuple[str, str]]:
    """Return type and meaning of the fields of a dataclass, from its numpydoc section where it has one."""
    hints = typing.get_type_hints(result)
    found = {field.name: (_type_name(hints[field.name]), "") for field in dataclasses.fields(result)}
    return found | {name: entry for name, entry in parameters(result).items() if name in found}


def parameters(of: type) -> dict[str, tuple[str, str]]:
    """Return type and meaning of each entry of a docstring's Parameters."""
    found = {}
    section = re.search(r"^Parameters\n-+\n(.*?)(?=^\w[^\n]*\n-+\n|\Z)", inspect.getdoc(of) or "", re.DOTALL | re.MULTILINE)
    entries = re.findall(r"^(\w[\w, ]*) : (.*)\n((?:(?: .*)?\n?)*)", section[1] + "\n", re.MULTILINE) if section else []
    for names, kind, text in entries:
        found |= dict.fromkeys(names.split(", "), (kind, " ".join(text.split())))
    return found


def keyword_types() -> dict[str, type]:
    """Return the types of what public functions take as ``**``, by name.

    Raises
    ------
    TypeError
        If a function does not say which keywords it takes so.
    """
    found = {}
    for name in featx.__all__:
        function = getattr(featx, name)
        if inspect.isfunction(function) and (spec := inspect.getfullargspec(inspect.unwrap(function))).varkw:
            hint = typing.get_type_hints(function)[spec.varkw]
            if typing.get_origin(hint) is not typing.Unpack:
                raise TypeError(f"featx.{name}: **{spec.varkw} must be an Unpack of a TypedDict. Received: {hint!r}.")
            (keywords,) = typing.get_args(hint)
            found[keywords.__name__] = keywords
    return dict(sorted(found.items()))


def keywords_described(keywords: type) -> dict[str, tuple[str, str]]:
    """Return type and meaning of each key of a ``TypedDict``, in the words of the classes that take them."""
    sources = [(head, parameters(_load(source))) for head, source in KEYWORDS[keywords.__name__]]
    described = {}
    for name in typing.get_type_hints(keywords):
        entry = _RENAMED_KEYWORDS.get(name, name)
        have = [(head, source[entry]) for head, source in sources if entry in source]
        kind = have[0][1][0] if have else ""
        if have and not have[0][0]:
            meaning = have[0][1][1]
        else:
            said: dict[str, list[str]] = {}
            for head, (_, text) in have:
                said.setdefault(text, []).append(head)
            meaning = " ".join(f"{', '.join(heads)}: {text}" for text, heads in said.items())
        described[name] = (kind, meaning)
    return described


def commands() -> str:
    """Return every command: usage, help, arguments and options."""
    root = click.Context(group.main, info_name="featx", **group.main.context_settings)
    parts = []
    for name in group.main.list_commands(root):
        command = group.main.commands[name]
        context = click.Context(command, info_name=name, parent=root)
        parts.append(f"## featx {name}\n")
        usage = f"featx {name} " + " ".join(command.collect_usage_pieces(context))
        parts.append(f"```text\n{usage}\n```\n")
        parts += [f"{_escape(' '.join(text.split()))}\n" for text in inspect.cleandoc(command.help or "").split("\n\n")]
        if command.epilog:
            parts.append(f"{_example(command.epilog)}\n")
        options = [parameter for parameter in command.get_params(context) if isinstance(parameter, click.Option)]
        rows = [_option(*record) for record in (option.get_help_record(context) for option in options) if record]
        parts.append(_table(("option", "meaning"), rows))
    return "\n".join(parts)


def options() -> str:
    """Return every option once, with the commands that have it."""
    root = click.Context(group.main)
    found: dict[str, list[tuple[str, click.Option]]] = {}
    for name in group.main.list_commands(root):
        for option in options_of(group.main.commands[name]):
            found.setdefault(_shown_spelling(option), []).append((name, option))
    rows = []
    for spelling in sorted(found, key=str.lower):
        takers = found[spelling]
        # Where commands say it in their own words, as batch sizes of a forward pass and of a training step, each has them.
        said: dict[str, list[str]] = {}
        for name, option in takers:
            said.setdefault(" ".join((option.help or "").partition("  [")[0].split()), []).append(name)
        meaning = " ".join(
            f"{', '.join(names)}: {_escape(text)}" if len(said) > 1 else _escape(text) for text, names in said.items()
        )
        links = ", ".join(f"[{name}](commands.md#featx-{name})" for name, _ in takers)
        rows.append((f"`{spelling}`", links, meaning))
    return _table(("option", "commands", "meaning"), rows)


def other_spellings() -> str:
    """Return the spellings of options that are taken and not shown."""
    rows = [
        (f"`featx {name} {spelling}`", f"`{_shown_spelling(option)}`")
        for name in group.main.list_commands(click.Context(group.main))
        for option in options_of(group.main.commands[name])
        for spelling in getattr(option, "also", ())
    ]
    return _table(("taken too", "is"), rows)


def _shown_spelling(option: click.Option) -> str:
    return next(spelling for spelling in option.opts if spelling.startswith("--"))


def exit_codes() -> str:
    """Return the table of exit codes."""
    rows = [
        ("0", "done", ""),
        ("1", "an error, with its message", "every error that is not below"),
        (
            str(click.UsageError.exit_code),
            "wrong usage",
            "an unknown command or option, or a value that it can never have, whoever finds it",
        ),
    ]
    for error, code in sorted(group._EXIT_CODES.items(), key=lambda item: item[1]):
        link = f"{{py:exc}}`~featx.errors.{error.__name__}`"
        rows.append((str(code), link, (inspect.getdoc(error) or "").split("\n")[0]))
    return _table(("code", "meaning", "when"), rows)


def json_keys() -> str:
    """Return the keys that each command prints with ``--json``."""
    parts = []
    for name in group.main.list_commands(click.Context(group.main)):
        for document in DOCUMENTS[name]:
            parts.append(f"### featx {name}{', ' + _escape(document.when) if document.when else ''}\n")
            parts.append(_table(("key", "type", "meaning"), list(_key_rows(document))))
    return "\n".join(parts)


def modules() -> str:
    """Return every module of the package and of the benchmarks with the first line of its docstring."""
    parts = []
    for title, folder in (("The package", _PACKAGE), ("Benchmarks", _PACKAGE.parent / "benchmarks")):
        rows = []
        for path in sorted(folder.rglob("*.py"), key=lambda path: (len(path.relative_to(folder).parts) > 1, path)):
            first = (ast.get_docstring(ast.parse(path.read_text("utf-8"))) or "").split("\n")[0]
            where = path.relative_to(folder.parent).with_suffix("").as_posix().removesuffix("/__init__")
            if first:
                rows.append((f"`{where}`", _markdown(first)))
        parts.append(f"## {title}\n\n{_table(('module', 'what is there'), rows)}")
    return "\n".join(parts)


def python() -> str:
    """Return every public name but the estimators, and the types that public functions return."""
    public = {name: getattr(featx, name) for name in featx.__all__ if name not in ESTIMATORS}
    functions = [name for name, value in public.items() if inspect.isfunction(value)]
    classes = [name for name, value in public.items() if name not in functions and not typing.is_typeddict(value)]
    others: list[type] = [Catalog, PartOf, *_parts_of([public[name] for name in functions], [public[name] for name in classes])]
    others = sorted((part for part in others if part.__name__ not in classes), key=lambda part: part.__name__)
    return "\n".join(
        [
            "## Functions\n",
            *(_directive("autofunction", f"featx.{name}") for name in functions),
            "## Classes\n",
            *(_directive("autoclass", f"featx.{name}", ":members:") for name in classes),
            "## Keywords\n",
            "What functions take as `**` beside the arguments that they name.\n",
            *map(_keywords, keyword_types().values()),
            "## Parts of results\n",
            "Made by the functions above; they have no name in `featx` itself.\n",
            *(_directive("autoclass", f"{result.__module__}.{result.__qualname__}", ":members:") for result in others),
        ]
    )


def _keywords(keywords: type) -> str:
    rows = [(f"`{name}`", _escape(kind), _markdown(text)) for name, (kind, text) in keywords_described(keywords).items()]
    # The directive gives signatures something to link to.
    directive = _directive("autoclass", f"featx.{keywords.__name__}", ":no-members:", ":exclude-members: __init__")
    return f"{directive}\n{_table(('keyword', 'type', 'meaning'), rows)}"


def errors() -> str:
    """Return the tree of exceptions and each of them."""
    tree = (inspect.getdoc(featx.errors) or "").split("\n\n", 1)[1].replace("``", "")
    each = [_directive("autoexception", f"featx.errors.{error.__name__}", ":show-inheritance:") for error in exceptions()]
    return "\n".join([f"```text\n{tree}\n```\n", *each])


def estimators() -> str:
    """Return the classes for scikit-learn."""
    parts = []
    for name in ESTIMATORS:
        own = [key for key, value in vars(getattr(featx, name)).items() if inspect.isfunction(value) and key[0] != "_"]
        parts.append(_directive("autoclass", f"featx.{name}", f":members: {', '.join(own)}"))
    return "\n".join(parts)


def project_file(name: str) -> str:
    """Return a page that stands outside of ``docs/``, where a forge looks for it, with its links as seen from here."""
    text = (_PACKAGE.parent / name).read_text("utf-8").replace("](docs/", "](")
    return re.sub(r"\]\((CHANGELOG|CONTRIBUTING|SECURITY)\.md", lambda found: f"]({found[1].lower()}.md", text)


PARTS: dict[str, Callable[[], str]] = {
    "commands": commands,
    "options": options,
    "other spellings": other_spellings,
    "exit codes": exit_codes,
    "json": json_keys,
    "modules": modules,
    "python": python,
    "errors": errors,
    "estimators": estimators,
    "notebook": first_classifier.page,
    **{
        name: functools.partial(project_file, name)
        for name in ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "benchmarks/RESULTS.md")
    },
}


def _load(name: str) -> typing.Any:
    module, attribute = name.split(":")
    return getattr(importlib.import_module(module), attribute)


def _key_rows(document: Document) -> Iterator[tuple[str, str, str]]:
    hints = typing.get_type_hints(_load(document.result)) if document.result else {}
    for key, (kind, text) in keys(document).items():
        yield f"`{key}`", _escape(kind), _markdown(text)
        for part in _dataclasses_in(hints.get(document.renamed.get(key, key))):
            inside = described(part)
            many = "[]" if typing.get_origin(hints[document.renamed.get(key, key)]) is list else ""
            summary = (inspect.getdoc(part) or "").split("\n\n")[0]
            yield f"`{key}{many}.…`", ", ".join(f"`{name}`" for name in inside), _markdown(summary)


def _dataclasses_in(hint: typing.Any) -> Iterator[type]:
    """Yield the dataclasses of an annotation such as ``list[X]`` or ``X | None``."""
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        yield hint
    for inner in typing.get_args(hint):
        yield from _dataclasses_in(inner)


def _parts_of(functions: typing.Iterable[Callable[..., object]], classes: typing.Iterable[type]) -> list[type]:
    """Return the dataclasses among classes and those that functions return, and those inside of them, each once."""
    found: dict[type, None] = {}
    waiting = [result for function in functions for result in _dataclasses_in(_hints(function).get("return"))]
    # What is returned by task is public, and no annotation of the function.
    waiting += [one for one in classes if dataclasses.is_dataclass(one) and issubclass(one, Result)]
    while waiting:
        result = waiting.pop(0)
        if result not in found:
            found[result] = None
            waiting += [part for hint in _hints(result).values() for part in _dataclasses_in(hint)]
    return list(found)


def _hints(value: typing.Any) -> dict[str, typing.Any]:
    return typing.get_type_hints(value, localns={"FeatureCache": featx.FeatureCache, "Path": Path, "PathLike": os.PathLike})


def _type_name(hint: typing.Any) -> str:
    return hint.__name__ if isinstance(hint, type) and not isinstance(hint, types.GenericAlias) else str(hint)


def _directive(kind: str, name: str, *options: str) -> str:
    lines = [f".. {kind}:: {name}", *(f"   {option}" for option in options)]
    return "```{eval-rst}\n" + "\n".join(lines) + "\n```\n"


def _option(names: str, text: str) -> tuple[str, str]:
    """Return an option's line of ``--help`` as two cells."""
    text, _, rest = text.partition("  [")
    default, least, most = (re.search(pattern, rest) for pattern in (r"default: ([^;\]]*)", r"(\d+)<=x|x>=(\d+)", r"x<=(\d+)"))
    more = f" Default: {_escape(default[1])}." if default else ""
    if least:
        more += f" At least {least[1] or least[2]}{f', at most {most[1]}' if most else ''}."
    return f"`{names.replace(' RANGE', '')}`", _escape(" ".join(text.split())) + more


def _example(epilog: str) -> str:
    """Return an epilog ``Example: featx …`` as a block of its own."""
    return "\n".join(["Example:\n", "```text", *(line.strip() for line in epilog.removeprefix("Example:").split("\n")), "```"])


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines) + "\n"


def _markdown(text: str) -> str:
    """Return reStructuredText with no more than literals in it as Markdown."""
    return "".join(part if n % 2 else _escape(part) for n, part in enumerate(re.split(r"(`[^`]*`)", text.replace("``", "`"))))


def _escape(text: str) -> str:
    """Return plain text as Markdown; an option becomes a literal, as two dashes would become one."""
    parts = re.split(r"((?<!\S)\(?--[a-z][a-z0-9-]*)", text)
    return "".join(
        part.replace("--", "`--") + "`" if n % 2 else re.sub(r"([\\*_<>\[\]])", r"\\\1", part) for n, part in enumerate(parts)
    )
