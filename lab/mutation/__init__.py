"""Whether the unit tests notice when the checks are wrong.

operators   source text -> everything that could be changed in it, one small change at a time   (pure)
equivalent  changes that change nothing that anybody could notice, with the reason              (pure)
choice      which changes are tried, and which tests could notice each                          (pure)
worker      a private copy of the project: changes one line, runs those tests in a fork, changes it back
crew        the workers side by side, and their record, so that a measurement can go on where it stopped
tally       what came of it, as rows and as text                                                (pure)
__main__    the measurement: `python -m lab.mutation`
"""
