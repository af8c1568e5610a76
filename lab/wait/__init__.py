"""What WAIT on logouts and revocations costs before a fault, and what it saves through one.

__main__  runs matrices/wait.yaml by the kit's own command, or reads runs that are there
table     the numbers of single runs, put together for each scenario and number of replicas
"""
