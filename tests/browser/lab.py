"""JupyterLab on this machine alone, with one notebook, and the steps of somebody who uses it."""

import json
import os
import secrets
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from browser.watched import PATIENCE, Watched

SETTINGS = {
    # all cells stand in the page, also those out of sight
    "@jupyterlab/notebook-extension/tracker": {"windowingMode": "none"},
    "@jupyterlab/apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
}
PROMPTS = "[...document.querySelectorAll('.jp-NotebookPanel .jp-CodeCell .jp-InputPrompt')].map(e => e.innerText)"
BEGUN = f"() => {PROMPTS}.some(prompt => /[*\\d]/.test(prompt))"
DONE = f"() => {PROMPTS}.every(prompt => /\\d/.test(prompt))"


@contextmanager
def lab(folder: Path) -> Iterator[str]:
    """A server for the notebooks in `folder`; gives its address, with a place for the notebook's name."""
    port, token, home = _free_port(), secrets.token_hex(8), folder / ".jupyter"
    for plugin, values in SETTINGS.items():
        path = home / "settings" / f"{plugin}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values))
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", f"--ServerApp.root_dir={folder}"]
    command += ["--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}", f"--IdentityProvider.token={token}"]
    command += ["--LabApp.news_url=None", "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"]
    environment = os.environ | {
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
        "IPYTHONDIR": str(home / "ipython"),
    }
    server = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _await(f"http://127.0.0.1:{port}/api/status?token={token}", server)
        yield f"http://127.0.0.1:{port}/lab/tree/{{}}?token={token}&reset"
    finally:
        server.terminate()
        server.wait(20)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _await(address: str, server: subprocess.Popen, seconds: float = PATIENCE) -> None:
    end = time.monotonic() + seconds
    while True:
        try:
            urllib.request.urlopen(address, timeout=10).close()
            return
        except OSError:
            assert server.poll() is None, "JupyterLab has ended"
            assert time.monotonic() < end, f"JupyterLab does not answer after {seconds} s"
            time.sleep(0.2)


def run_all(lab_page: Watched) -> None:
    """Run > Run All Cells, once the kernel is idle. A click that comes too early is lost without a word."""
    page = lab_page.page
    page.locator(".jp-NotebookPanel .jp-Cell").first.wait_for()
    idle = page.locator("#jp-main-statusbar").get_by_text("| Idle")
    idle.wait_for()
    for _ in range(5):
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
        try:
            lab_page.wait(BEGUN, seconds=10)
            break
        except Exception as error:  # playwright's own TimeoutError, which only playwright can name
            if type(error).__name__ != "TimeoutError":
                raise
    lab_page.wait(DONE)
    idle.wait_for()
