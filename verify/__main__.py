"""`python -m verify` is `sgd-verify`."""

import sys

from .cli import main

sys.exit(main())
