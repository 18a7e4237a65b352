"""Import of files of readings and of charging sessions, by the functions that the service calls.

`source` opens and decompresses, `columns` finds what the columns of a table are, `values` reads
numbers and times, `tables` and `lines` make blocks of rows of a file, `storing` stores these side
by side, `refusals` keeps what was not stored, `mark` how far a file is stored. `running` does all.
"""
