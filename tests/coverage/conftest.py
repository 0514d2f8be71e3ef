"""Put this folder on the path, so that the tests of coverage can import `oracle`."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent))
