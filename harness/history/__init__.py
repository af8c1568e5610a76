"""Writes a run's history as it happens, and reads one back: stage 5. Nothing in here judges.

    files      names and format of a history's files
    thrift     how the headers and the footer of a Parquet file are written
    pages      what a Parquet file really unpacks to
    footers    Parquet files, put together from columns of others
    on_disk    a Parquet file that reads a column when it is asked for
    merging    what a load engine elsewhere has recorded, moved to the run's clock
    columns    the operations of a run, as three Parquet files
    joining    the operations of several closed histories, as those of one
    closing    from the lines of a finished run to the files that stay
    recorder   the one writer, while the run is on
    reading    either form, read back and checked
    plausible  whether it can be a run's at all
    showing    either form as JSON lines, for people

While a run is on, every record is a line of JSON in `history.jsonl`. Closing moves the operations, by far the
most of it, into `operations.parquet`, `steps.parquet` and `attempts.parquet`, and compresses the rest to
`history.jsonl.gz`.

A bit that flips on a disk must not become a verdict. The opening names the checksum of the plan, the seal
at the end of a closed history those of the plan, of the columns and of the lines before it.

Trap: the compressed file is what makes a history closed. As long as it is not there, `history.jsonl`
is whole and whatever lies beside it is left over from a closing that did not end.
"""

from harness.history.files import FORMAT, digest_of_plan
from harness.history.merging import Part
from harness.history.plausible import check_plausible
from harness.history.reading import read
from harness.history.recorder import Recorder, write_plan
from harness.history.showing import lines

__all__ = ["FORMAT", "Part", "Recorder", "check_plausible", "digest_of_plan", "lines", "read", "write_plan"]
