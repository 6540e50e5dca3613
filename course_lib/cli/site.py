"""course site: every notebook, exercise and docstring as a web site."""

import sys

from course_lib import places


def site(options) -> int:
    """Build the site and check it."""
    from course_lib.site.build import SiteError, build

    root = places.checkout()
    if root is None:
        raise ValueError("this works in a checkout of the course only: an installed one has no pages to build")
    try:
        pages = build(root, options.out, options.mathjax)
    except SiteError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{options.out / 'index.html'}  {pages} pages")
    return 0
