"""``python -m medshare``."""

import sys

from medshare.cli import main

sys.exit(main())
