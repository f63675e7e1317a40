from __future__ import annotations

import pytest

from tests.support.town import Town, town


@pytest.fixture(scope="session")
def small_town() -> Town:
    return town()
