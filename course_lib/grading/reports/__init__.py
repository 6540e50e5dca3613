"""What becomes of grades: pages to read, tables to import.

text.py        text from strangers, made harmless to show
files.py       whose submission it is, what its page is called, and how a file is written
table.py       grades.csv
feedback.py    one page a student
code.py        the student's own cell in it
summary.py     one page for the instructor
statistics.py  the numbers on it
gradescope.py  results.json
nbgrader.py    nbgrader's gradebook, for marks by hand

All work from `Sequence[Grade]` alone. The same grades give the same bytes; only the gradebook's ids are random.
"""
