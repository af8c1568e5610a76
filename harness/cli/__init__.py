"""The command line.

    arguments    the words of the command: every verb, its options, and the function that carries it out
    command      from words to an exit status; errors as people read them

The verbs. Each parses nothing, calls the stages, prints, and returns an exit status:

    choice       which scenarios and deployments the options name
    pipeline     what a CI system gets besides
    submitting   `run --submit`, `export`
    run          `run`
    replay       `replay`
    many         `compare`, `decide`, `merge`
    list         `list`
    lint         `lint`
    plan         `plan`, `explain`
    guest        `guest check`
    saved        `show`, `why`, `history`, `prune`
    judge        `judge`
    by_hand      `up`, `status`, `down`
    calling      `inject`, `heal`
    beside       `with`
    explore      `explore`
    machine      `doctor`, `image`, `clean`
    completion   `completion`
    part         no verb: what a job does

Trap: the module of a verb is imported when somebody calls the verb: the Docker client, pyarrow and redis-py
take most of a second. So `arguments` and `command` import no stage.
"""

from harness.cli.command import main

__all__ = ["main"]
