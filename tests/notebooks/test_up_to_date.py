"""What is built belongs to its source: the notebooks with their outputs, and the student editions."""

import pytest

from course_lib.cli import main


@pytest.mark.parametrize("command", ["build", "exercises"])
def test_nothing_built_is_out_of_date(command, capfd):
    status = main([command, "--check"])
    assert status == 0, capfd.readouterr().err
