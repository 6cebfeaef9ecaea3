"""What the tests of the remote backend share."""

import sys
from pathlib import Path

# Pytest's import mode leaves this folder off the path, and the helpers are shared by its tests.
sys.path.insert(0, str(Path(__file__).parent))
