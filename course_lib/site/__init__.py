"""The rendered course: every notebook, exercise and docstring as a web site that needs no other host.

build.py       all of it, in one call
sources.py     which files become which pages; links between them
home.py        the first page, with a picture a module
reference.py   a page for each package of the library, from its docstrings
docstrings.py  plain text in docstrings, as Sphinx wants it written
mathjax.py     formulas without a network
links.py       is every link, picture and text alternative there?

Sphinx's settings, the theme's few additions and the text of the first page lie in the checkout's `site/`. New
notebooks, exercises, cards and packages are found by their place; nothing is listed by hand.
"""
