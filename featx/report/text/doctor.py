"""A diagnosis as text for a terminal, and for a report of a problem."""

from typing import TYPE_CHECKING

from featx.report.text.words import join_lines, number_of, size_text

if TYPE_CHECKING:
    from featx.verbs.doctor import Diagnosis


_WITHOUT = ": Winograd's, twice as fast, is missing ncnn: pip install ncnn"
_ENGINES = {"keras": "Keras", "winograd": "Winograd", "int8": "int8"}


def doctor_text(diagnosis: "Diagnosis") -> str:
    """List what was found, the problems last."""
    processor = f"{diagnosis.processor}, {number_of(diagnosis.cores, 'core')}"
    features = ", ".join(diagnosis.processor_features) or "not known"
    memory = "not known" if diagnosis.memory_bytes is None else f"{size_text(diagnosis.memory_bytes)} left"
    int8 = "has" if diagnosis.int8_products else "has no"
    lines = [
        ", ".join(f"{name} {version}" for name, version in diagnosis.versions.items()),
        f"system     {diagnosis.system}",
        f"processor  {processor}",
        f"           {features}: {int8} instructions for int8 products",
        f"memory     {memory}",
        f"backend    {diagnosis.backend or 'none'}: {', '.join(diagnosis.devices) or 'lists no devices'}",
        f"engines    {', '.join(diagnosis.engines)}" + ("" if "winograd" in diagnosis.engines else _WITHOUT),
        "extras",
    ]
    for name, missing in diagnosis.extras.items():
        what = f"missing {', '.join(missing)}: pip install 'featx[{name}]'" if missing else "works"
        lines.append(f"  {name:<9}{what}")
    if diagnosis.rates:
        lines.append("rates      images per second of the forward pass, at each backbone's default size")
        for name, rates in diagnosis.rates.items():
            lines.append(
                f"  {name}: " + ", ".join(f"{_ENGINES.get(engine, engine)} {rate:.1f}" for engine, rate in rates.items())
            )
    if diagnosis.variables:
        lines.append("variables")
        lines += [f"  {name}={value}" for name, value in diagnosis.variables.items()]
    lines += [f"problem: {problem}" for problem in diagnosis.problems] or ["no problem found"]
    return join_lines(lines)
