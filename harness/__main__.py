"""`python -m harness` is `failover-kit`."""

import sys

from harness.cli import main

sys.exit(main())
