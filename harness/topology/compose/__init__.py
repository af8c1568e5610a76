"""A user's own Compose project as the ground of a run: started as it is, beside the original.

Reading order:

    refusals        what cannot be a run's own                               (pure)
    adopted         the project changed as data: nothing is shared           (pure)
    copies          what it mounts, copied into the run's folder
    reading         a Compose file, as Compose reads it
    processes_seen  which processes of a container may be nodes
    passwords       what nodes may have been given                           (pure)
    found           what answers, and the inventory that follows from it     (pure)
    discovery       containers -> processes -> what they say
    decisive        the line of a log that says why                          (pure)
    starting        `up`, and the wait until it is ready
    topology        the running project, for faults, observers and clients
    backend         its face
"""
