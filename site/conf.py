"""Sphinx's settings. `course site` gathers the pages around this file and then runs Sphinx on them."""

from course_lib import __version__, places

REPOSITORY = places.repository()

project = "Generative Models in Computer Vision"
author = "The authors of Generative Models in Computer Vision"
copyright = "the course's authors; code MIT, text and figures CC BY 4.0"
version = release = __version__
language = "en"

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.mathjax",
    "course_lib.site.docstrings",
    "course_lib.site.pictures",
]

# Notebooks show what is committed. Code and tables come in two forms; the one in Markdown follows the theme.
nb_execution_mode = "off"
nb_merge_streams = True
nb_mime_priority_overrides = [("html", "text/markdown", 0)]
nb_render_markdown_format = "gfm"
nb_ipywidgets_js = {}
myst_enable_extensions = ["amsmath", "colon_fence", "dollarmath"]
myst_heading_anchors = 3
mathjax_path = "mathjax.js"

highlight_language = "none"  # of a block that names none: a formula, columns

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the docstrings say more: shape, range and units
autodoc_inherit_docstrings = False
autodoc_preserve_defaults = True
napoleon_google_docstring = False
napoleon_custom_sections = [("Attributes", "params_style")]
napoleon_use_param = False  # a type slot is prose, not names to be linked
napoleon_use_rtype = False
add_module_names = False
python_maximum_signature_line_length = 88
toc_object_entries_show_parents = "hide"

html_theme = "sphinx_book_theme"
html_title = project
html_static_path = ["_static"]
html_css_files = ["course.css"]
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "repository_url": REPOSITORY,
    "repository_branch": "main",
    "path_to_docs": ".",
    "use_repository_button": True,
    "launch_buttons": {"colab_url": "https://colab.research.google.com"},
    "use_download_button": False,
    "use_fullscreen_button": False,
    "show_toc_level": 2,
    "navbar_persistent": [],  # the search stands in the sidebar
}
html_context = {"default_mode": "auto"}
