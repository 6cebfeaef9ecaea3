"""The path of the web tests' shared module."""

import sys
from pathlib import Path

# Pytest's import mode leaves this folder off the path, and the bench is shared by its tests.
sys.path.insert(0, str(Path(__file__).parent))
