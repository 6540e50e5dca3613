"""One look for every figure of the course.

Every function returns a `Picture`, a `Table` or a `Source`: small objects that a notebook shows when
they stand last in a cell. Every picture carries an alternative text, which says what a reader who
does not see it should know. Importing `course_lib` does not import this.
"""

from course_lib.plotting.charts import curves
from course_lib.plotting.images import animation, beside, grid, heat, strip
from course_lib.plotting.picture import Picture
from course_lib.plotting.planes import field, points, trajectory
from course_lib.plotting.text import Source, Table, show_code, table
from course_lib.plotting.timeline import timeline

__all__ = [
    "Picture",
    "Source",
    "Table",
    "animation",
    "beside",
    "curves",
    "field",
    "grid",
    "heat",
    "points",
    "show_code",
    "strip",
    "table",
    "timeline",
    "trajectory",
]
