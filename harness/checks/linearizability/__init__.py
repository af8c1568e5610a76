"""The exact test: could one register, one operation after the other, have given these answers?

Knows nothing of sessions; `promises/one_register` asks it about the fields of a session.

    actions          what one operation demands of a register and does to it
    fast_path        registers whose every value was written once, in n log n
    search           every other register, within a limit of work
    foreign_history  histories that others recorded, key by key
"""
