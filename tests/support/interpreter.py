"""Fresh interpreters, which have loaded nothing that another test did."""

import subprocess
import sys

from runtime.settings import REPOSITORY_ROOT


def loaded_by(*modules: str) -> set[str]:
    """Names of all modules that are there after the import of these."""
    code = f"import sys, {', '.join(modules)}; print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=REPOSITORY_ROOT)
    return set(ran.stdout.split())
