"""Writes a run's history as it happens, and reads one back: stage 5. Nothing in here judges.

While a run is on, every record is a line of JSON in `history.jsonl` (`recorder`). Closing moves the
operations, by far the most of it, into `operations.parquet`, `steps.parquet` and `attempts.parquet`
(`columns`) and compresses the rest to `history.jsonl.gz` (`closing`). `reading` takes either form, and
`showing` turns either back into lines.

A bit that flips on a disk must not become a verdict. The opening names the checksum of the plan, the seal
at the end of a closed history those of the plan, of the columns and of the lines before it.

Trap: the compressed file is what makes a history closed. As long as it is not there, `history.jsonl`
is whole and whatever lies beside it is left over from a closing that did not end.
"""

from harness.history.files import FORMAT, digest_of_plan
from harness.history.plausible import check_plausible
from harness.history.reading import read
from harness.history.recorder import Recorder, write_plan
from harness.history.showing import lines

__all__ = ["FORMAT", "Recorder", "check_plausible", "digest_of_plan", "lines", "read", "write_plan"]
