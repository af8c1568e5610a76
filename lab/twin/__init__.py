"""Sessions judged twice: by the checks, and by trying every order. The two must agree.

`store` is one session as a store keeps it, `truth` tries every order of what was sent, `tell` makes small
random histories (at most seven operations), right and wrong ones, and `compare` judges them both ways.
`python -m lab.twin` compares twenty thousand of each; the unit tests a few.
"""
