"""Failover test kit for Redis session stores.

Read the package in the order the data flows:

    errors       the kit's own errors, and the exit status of every command
    clock        the run's one clock, and the only place that sleeps
    costly       packages that are imported when something of them is first used
    kit_files    where the kit's own files are
    version      which version of the kit this is
    visible      text from elsewhere, made harmless to show
    safe_files   files in a run's folder, read and written without following a link
    tasks        the end of tasks of an event loop
    model/       the nouns: scenarios, plans, records, findings, and the seams between the stages
    options      options of a command, with the nearest of what may be chosen
    presets/     kinds of topology: each makes the inventory of its nodes
    redis_wire/  how a Redis or Sentinel process is talked to: commands, replies, roles, keys
    libraries/   client libraries of somebody else's, each in a process of its own
    objects/     what is kept in Redis beside sessions: its key, its audit, its model, its findings
    application  the seam between the load and the application that it drives
    scenario/    1  YAML text -> Scenario                       (pure)
    plan/        2  Scenario + seed -> Plan                     (pure)
    topology/    3  Plan -> running Redis nodes                 (base/; process/ and docker/, two backends)
    sessions/    4a session traffic against them, attempt by attempt
    guests/      4a as well: an application of somebody's own under the same load, over HTTP
    faults/      4b what is done to nodes and links, with proof of its effect
    observe/     4c what the nodes and this machine say meanwhile; the audit after recovery
    history/     5  the recorder and the reader of everything above
    checks/      6  history -> findings, metrics, verdict       (pure)
    many/           results -> what many runs of the same thing come to (pure; the report draws it)
    report/      7  judgement -> terminal, JSON, JUnit, HTML    (pure)
    output       standard output and error as the verbs use them
    saved/       results on disk: one run judged, a suite judged again, sessions' stories
    running/     what is chosen, what nodes are made of, one run recorded, runs side by side
    run          the road from files to results, through all of these: start reading here
    jobs/        many runs handed out as jobs: of a swarm, of Kubernetes
    for_pytest   one scenario on that road, for the pytest plug-in
    control/     faults at the call of a test, over HTTP
    held/        nodes that stay up for somebody who works with them by hand
    beside/      a command of somebody's own in the place of the session traffic
    explore/     random schedules of faults, and the smallest that breaks a promise
    lint/        configuration files against rules about failover; starts nothing
    doctor       what this machine can do, and what each missing piece would need
    cli/         the verbs; `failover_kit/` beside this package is the way in from outside

A module imports only what is named before it, here and in the docstring of its own room; a test holds all
of them to it. And a stage never imports a sibling stage: stages meet in `running`.
"""
