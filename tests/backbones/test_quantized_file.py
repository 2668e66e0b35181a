"""What is said and refused of int8 networks without quantizing one."""

import pytest

from featx.backbones.quantized import openvino_reason


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (
            "Exception from src/inference/src/cpp/core.cpp:105:\nException from src/inference/src/model_reader.cpp:188:\n"
            "Unable to read the model. Please check the format.\nSupported are: IR.\n\n",
            "Unable to read the model. Please check the format",
        ),
        ("Exception from src/core.cpp:97:\nCheck 'false' failed at src/core.cpp:117:\nNo device.\n", "No device"),
        ("one line.", "one line"),
        ("", "RuntimeError"),
    ],
)
def test_the_reason_of_openvino_is_neither_its_source_nor_its_afterthought(text: str, reason: str) -> None:
    """It begins with places in its own source and may end in hints; between them stands what is wrong."""
    assert openvino_reason(RuntimeError(text)) == reason
