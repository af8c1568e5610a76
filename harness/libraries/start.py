"""Started by its path in a library's own environment, which has nothing of the kit's.

`-I` keeps everything else off Python's path; of the kit there is only this folder.
"""

from __future__ import annotations

import sys
import types
from pathlib import Path

if __name__ == "__main__":
    kit = types.ModuleType("harness")
    kit.__path__ = [str(Path(__file__).resolve().parent.parent)]
    sys.modules["harness"] = kit

    from harness.libraries.serve import main

    main(sys.argv[1])
