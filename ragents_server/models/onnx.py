"""onnxruntime without its telemetry.

Since 1.29 its wheels for Linux send facts of models and machines to their maker, unless this variable is set when the
library is loaded, or a variable of a CI is. What is asked of us stays here: it is set always, whatever it was.
"""

import os

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import onnxruntime as ort

__all__ = ["ort"]
