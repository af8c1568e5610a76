"""The nouns of the kit: frozen data and the seams between stages. No I/O anywhere in here.

words              closed vocabularies
command_words      what a person may write for a backend, a suite and a seed
nearest            the word that somebody meant who misspelt it
engine             how engines are named
engine_directives  which directives each engine has
directive_table    which of them a node is given
directives         how the server reads them
directive_values   which values each engine takes
redaction          secrets blotted out of text
haproxy_words      the lines of a haproxy.cfg
attempt_results    how an attempt ended for the client
times              what has no end, and what never was
told               what an application tells its user
finding_kind       what a kind of finding says of itself
inventory          which nodes there are
persistence        what outlives a node's process
pins               what of the nodes is fixed
links              rules for links
proxy              the proxies before the nodes
guest              an application of somebody's own
hosts              how a host and its engine are written
deployment         what a team would decide
scenario           what a file says
fit                which settings and targets a topology has
measures           whether a run can decide an expectation at all
matrix             what is run together, and what is varied
pacing             how a run spends its time once its faults are over
plan               what will be done
records            what is written down while it happens
clock_bounds       how far another clock is from the run's
table              operations as columns
packed_audit       the audit of a long run, decoded block by block
history            all of that, as the checks receive it
seams              the protocols by which stages meet
credentials        a user's own passwords, users and renamed commands
judgement          what a history means
results            what stages hand to the report
cells              many runs of the same thing
"""
