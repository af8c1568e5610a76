"""`python -m harness` is `failover-kit`."""

import sys

from failover_kit.start import main

sys.exit(main())
