"""``python -m goutube`` is the command ``goutube``."""

import sys

from goutube.cli import main

if __name__ == "__main__":
    sys.exit(main())
