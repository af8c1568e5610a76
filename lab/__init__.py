"""Measuring instruments: how the kit is measured itself. Nothing in `harness` or `failover_kit` knows them.

    past/         a small model of nodes that writes histories: `Past` and what it is made of
    records       the records that such histories are made of
    plans         the scenario and the plan that they are about
    command       a measurement as a command: its exit status, and Ctrl-C
    rows          what a measurement ends with: a table, a file, an exit status
    published     what a measurement publishes in docs/
    selftest/     seeded bugs must be found, and nothing where nothing is wrong     (real nodes)
    twin/         small sessions judged by brute force as well                      (pure)
    oracle/       the named causes against what the nodes executed, by MONITOR      (real nodes)
    rejudge/      saved runs judged again: did a change alter a judgement?          (saved runs)
    mutation/     changes the checks line by line: do the unit tests notice?        (copies of the project)
    calibrate/    outages and latencies of a known length                           (real nodes)
    bench/        what the kit costs                                                (real nodes)
    pressure/     the suite while every core is kept busy                           (real nodes)
    sigkill/      SIGKILL in the middle of every fault, then `clean`: is anything left? (real nodes)
    weakness/     deployments with a seeded weakness: does `explore` find it?       (real nodes)
    machines/     the machines backend over several engines on this machine         (real nodes)
    engines/      the smoke suite on each engine that can be had here               (real nodes)
    catalogue/    every shipped scenario on every engine, as one table              (real nodes)
    wait/         what WAIT on logouts and revocations costs and saves                   (real nodes)
    claims/       what articles say, decided by runs                                (real nodes)
    survival/     every topology under every fault on every engine                  (real nodes)
    haproxy/      what shapes of HAProxy lose under the same faults                 (real nodes)
    guests/       the applications in guests/ under faults: what do their users see?     (real nodes)
    conformance/  client libraries against the table of outcomes: rows passed       (results)
    track_record/ which reports were shown on which engine                          (results)
    toy_guest/    a toy application with seeded bugs: found and named?              (its processes)
    directives/   which directives and values each engine takes, for the kit's table (real servers, no nodes)

Each folder is a command: `python -m lab.selftest`; `make` has a target for most. `lab` imports `harness`;
the tests import both. `tests/unit/test_architecture.py` holds everybody to it.
"""
