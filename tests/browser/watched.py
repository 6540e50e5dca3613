"""A page of a browser that notes what goes wrong on it, and whom it asks for what."""

from pathlib import Path
from urllib.parse import urlsplit

INSIDE = {"", "127.0.0.1"}
PATIENCE = 120  # seconds; a busy machine is no mistake of the page


class Watched:
    """A page, the errors in its console, and its requests to other hosts."""

    def __init__(self, page) -> None:
        self.page, self.errors, self.outside = page, [], []
        page.set_default_timeout(1000 * PATIENCE)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda message: self.errors.append(message.text) if message.type == "error" else None)
        page.on("request", self._note)

    def _note(self, request) -> None:
        if urlsplit(request.url).hostname not in {None, *INSIDE}:
            self.outside.append(request.url)

    def open(self, path: Path) -> None:
        """Show a file, and wait until its formulas are set."""
        self.page.goto(path.as_uri())
        self.page.evaluate("() => window.MathJax?.startup?.promise")

    def wait(self, condition: str, argument: object = None, seconds: float = PATIENCE) -> None:
        """Until a JavaScript function of the argument holds."""
        self.page.wait_for_function(condition, arg=argument, timeout=1000 * seconds)
