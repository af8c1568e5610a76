"""Which sessions are beyond doubt, for all of them at once: the first of two stages of judging.

Only suspects are looked at one by one. The promises come first here because the screen must know them all:
it may call a session clean only where no check would find anything.

    so_far     what is known of every session after a part of the history
    contents   what each session must have held, as sums
    steps      the steps on sessions in the order of time
    course     what each session held and how long it had to live, step by step
    audit      whether the audit agrees
    objects    which objects beside sessions are clean
    screening  the clean sessions and the suspects
"""
