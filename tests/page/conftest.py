import pytest

import browser as browsers


@pytest.fixture(scope="session")
def template():
    return browsers.built_page()


@pytest.fixture(scope="session")
def browser():
    with browsers.chromium() as opened:
        yield opened
