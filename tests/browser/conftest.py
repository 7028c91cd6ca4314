"""What the tests of the page share."""

import pytest
from browser_page import serving


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """The address of the page, and what runs of nodes would tell it."""
    with serving(tmp_path_factory.mktemp("page")) as told:
        yield told
