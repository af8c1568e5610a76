"""Which sessions survive which fault on which topology and engine: docs/survival/, made from a matrix.

__main__  runs matrices/survival/*.yaml by the kit's own command, in pieces where wanted
record    what is kept of the results in docs/survival/*.json: the summaries of the two suites
page      docs/survival/README.md, from these records alone

Trap: whatever a cell lacks is said with its n. A cell with fewer runs than wanted is no smaller finding.
"""
