"""Nodes that stay up for somebody who works with them by hand: `up`, `status`, `inject`, `heal`, `down`.

    forms        for whom is printed
    ready_lines  how clients connect, a line for each
    undo_record  what faults did by commands, for the next control process
    residence    the process that watches held nodes: started, found, called, ended
    resident     that process: observers, faults, the control interface
    by_hand      `up`, `status`, `down`
    calling      `inject`, `heal`: a call of the resident

`up` leaves two processes besides the nodes. The keeper holds them and does nothing else (see the backends).
The resident serves the control interface, so that a fault takes no start of a command. Whoever injects next
starts a resident that died again.
"""
