"""7: judged results -> reports for people and machines. Pure text; only `write` writes files.

`words` phrases numbers · `explain` one result in plain text, the same in the terminal, JUnit and the
page · `table` the closing table · `console` where it is printed ·
`listing` the list of scenarios · `terminal` live progress and printing · `summary` and `junit` for
machines · `timeline` the picture · `anatomy` a failover in stages · `page` one HTML page per scenario
and one per suite, with `grid` and `changes` at a glance · `write`.
"""
