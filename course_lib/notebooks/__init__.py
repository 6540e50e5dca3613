"""How a notebook is built from its source, checked, and run into a page.

catalogue.py  which notebooks there are, and what they take
source.py     percent source -> notebook without outputs
execute.py    run its cells one by one, in this interpreter
build.py      source -> notebook with outputs, the same bytes each time; is what is committed still true?
cover.py      the picture that stands for a notebook
page.py       notebook -> one HTML file that needs no network
run.py        execute a built notebook under a budget and write its page

All but the catalogue and the covers need the packages of the extra `lab`.
"""
