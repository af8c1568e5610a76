"""The control interface: faults at the call of a test, over HTTP on this machine's loopback address.

    words     what is asked and answered, as types
    scene     what faults may use where the kit sends no load
    told      what people are told meanwhile, line by line
    live      faults, events and nodes of a topology that runs: inject, heal, wait, status
    routes    which call does what; the one list of them
    openapi   the same list for other tools: docs/control.openapi.json
    server    the listening socket, the token, errors as JSON

`harness.beside` serves it while a command of somebody's own runs, `harness.held` as long as a topology is
held. Trap: `server` imports an HTTP library,
which takes longer than a light verb does; nobody imports it before a topology is up.
"""
