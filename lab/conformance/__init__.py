"""Each client library against the table of outcomes, as a table of docs/client-libraries.md.

table     what pytest says of each row -> the numbers of each library   (pure)
__main__  the command: `python -m lab.conformance JUNIT`, behind `make client-conformance`
"""
