"""7: from judged results to what people and machines read. Pure text making; `write` alone writes.

`words` phrases numbers · `explain` one result in plain text, the same in the terminal, JUnit and the
page · `table` the closing table · `terminal` live progress and printing · `summary` and `junit` for
machines · `timeline` the picture · `page` one HTML page per scenario and one per suite · `write`.
"""
