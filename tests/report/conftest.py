"""Let the tests of the report import what they share, with `import reported`."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent))
