"""Make the shared helpers importable with `import reported`."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent))
