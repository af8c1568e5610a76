"""Stage 6: a history, read once, against every promise. Pure: no I/O, no Redis, no clock.

The rooms, and the modules in each, in the order of judging. A module imports only what is named before
it, here and in the docstrings of the rooms; a test holds both to it.

    wording           measurements, bounds and causes in words
    columns/          operation tables as numpy arrays, a million operations at a time
    facts/            what happened: nodes, failovers, sessions; who did what, and who saw what
    linearizability/  the exact test: could one register have given these answers?
    promises/         one module for each promise; `table` is the whole list of checks
    screen/           which sessions are beyond doubt: only the others are looked at closely
    measures/         the numbers: outages, latency, sessions at risk, bounds
    verdict/          what all that amounts to: evidence, expectations, one verdict, and the stories
    run               a history against the table of checks
    judge             from a history to its judgement: start reading here
"""
