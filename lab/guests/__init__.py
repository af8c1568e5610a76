"""Each application in guests/ through each fault in guests/scenarios: what do its users see?

__main__  runs what is missing by the kit's own command, and writes table, page and docs/guests.md
rounds    which runs are missing, so that the measurement can be made in pieces
measured  one run -> what its users saw
versions  what each application is made of, by the pins beside it
cures     what may cure which bad result, whether the run with it shows that, and its cost
page      everything put together: for the terminal, as Markdown and as HTML

Trap: the applications are as their libraries' documentation sets them up, and each cell is one run on one
machine. The table shows what can happen to users, and no share of all runs.
"""
