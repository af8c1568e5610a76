"""Stage 7: judged results -> reports for people and machines. Pure text; only `write` writes files.

words        numbers and names as a person would say them
markdown     names from elsewhere as text, never as markup
console      where reports are printed
explain      one result in plain text: the same in the terminal, JUnit and the page
fitting      a table on a terminal of any width
table        the closing table
cells        the same for runs that were repeated
listing      the list of scenarios
terminal     live progress, and the printed report
timeline     the picture of a run
drawing      curves over a run's time
charts       latency, errors and lag over time
lanes        the operations of one session over the nodes
node_logs    what nodes logged around each fault
anatomy      each failover in stages
grid         a suite at one glance
changes      what changed since the suite before
page         one HTML page per scenario, and one for the suite
summary      `summary.json`
junit        `junit.xml`
openmetrics  `openmetrics.txt`
write        all of these, beside the runs
github       what GitHub shows of a suite
gitlab       what GitLab shows of it
comparison   two suites beside each other
decision     the page that a team decides from
"""
