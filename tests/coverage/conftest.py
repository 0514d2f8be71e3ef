"""Let the tests of coverage import what they share, with `import plainly`."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent))
