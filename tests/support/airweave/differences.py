"""Named differences of a backend: tests of a shared suite that it is known not to pass."""

from collections.abc import Mapping

import pytest


def expect_difference(request: pytest.FixtureRequest, reasons: Mapping[str, str]) -> None:
    """Expect a test that shows a difference to fail, as long as there is the difference.

    ``reasons`` has the tests by the beginning of their names.
    """
    for name, reason in reasons.items():
        if request.node.name.startswith(name):
            request.applymarker(pytest.mark.xfail(reason=reason, strict=True))
