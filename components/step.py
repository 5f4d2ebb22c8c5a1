"""The decorator that makes a pipeline step of a function.

A step is a thin typed face: Kubeflow Pipelines ships only the function's body, so the body is one import and one call.
The image is a placeholder; the target that compiles the pipeline names the real one (`pipelines/wiring/compile.py`).
"""

from functools import partial

from kfp import dsl

STEP_IMAGE = "ai-orchestration/trainer-python"
"""Stands in a step until a target binds its image; holding `python` keeps the local runner from warning about it."""

step = partial(dsl.component, base_image=STEP_IMAGE, install_kfp_package=False)
"""A step that runs in the repository's own image and installs nothing when it starts."""
