"""A notebook as one HTML file that needs no network.

nbconvert's page loads its mathematics, a module loader and a diagram library from the web. Here
formulas become MathML, which browsers draw by themselves, and the other two are left out.
"""

import html
import re

from jinja2 import DictLoader
from latex2mathml.converter import convert
from nbconvert import HTMLExporter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from nbformat import NotebookNode
from traitlets.config import Config

TEMPLATE = """
{%- extends "lab/index.html.j2" -%}
{%- block html_head_js -%}{%- endblock -%}
{%- block html_head_js_mathjax -%}{%- endblock -%}
{%- block html_head_js_mermaidjs -%}{%- endblock -%}
{%- block data_png scoped -%}
<div class="jp-RenderedImage jp-OutputArea-output {{ extra_class }}">
<img src="data:image/png;base64,{{ output.data['image/png'] | escape_html }}"
 alt="{{ (output | get_metadata('alt', 'image/png') or '') | escape_html }}">
</div>
{%- endblock data_png -%}
{%- block notebook_css -%}
{{ super() }}
<style>
  main { max-width: 60rem; margin: 0 auto; }
  .jp-InputPrompt, .jp-OutputPrompt { display: none; }
  .jp-OutputArea-output pre { font-family: var(--jp-code-font-family); }
  .jp-InputArea-editor .highlight pre { white-space: pre-wrap; }
  math[display="block"] { margin: 1em 0; font-size: 110%; }
  mtable[displaystyle] mtd { padding: 0.4ex 0.1em; }
  mtd[columnalign="right"] { text-align: right; }
  mtd[columnalign="left"] { text-align: left; }
</style>
{%- endblock -%}
"""


def page(notebook: NotebookNode, title: str) -> str:
    """The notebook as HTML, with its pictures inside and without the badges."""
    config = Config({"TagRemovePreprocessor": {"enabled": True, "remove_cell_tags": ["badges"]}})
    exporter = _Exporter(
        config=config,
        template_name="lab",
        template_file="offline.html.j2",
        extra_loaders=[DictLoader({"offline.html.j2": TEMPLATE})],
        embed_images=True,
    )
    exporter.register_preprocessor("nbconvert.preprocessors.TagRemovePreprocessor", enabled=True)
    text, _ = exporter.from_notebook_node(notebook, resources={"metadata": {"name": title}})
    return text


class _MathMl(IPythonRenderer):
    """Markdown whose formulas are MathML."""

    def inline_math(self, text: str) -> str:
        return mathml(text, "inline")

    def block_math(self, text: str) -> str:
        return mathml(text, "block")

    def latex_environment(self, name: str, body: str) -> str:
        return mathml(rf"\begin{{{name}}}{body}\end{{{name}}}", "block")


# What the converter misreads or browsers draw plainly, and how it wants it written.
REWRITES = {
    r"\\(begin|end)\{aligned\}": r"\\\1{align*}",
    r"\\(mathcal|mathbb|mathbf)\s+(\w)": r"\\\1{\2}",
    r"\\mathrm\{(\w)\}": r"\\mathrm \1",
}


def mathml(latex: str, display: str) -> str:
    """A formula as MathML; one that cannot be converted is shown as its source.

    Examples
    --------
    >>> "<mi>&#x003B1;</mi>" in mathml(r"\\alpha x_0", "inline")
    True
    """
    latex = latex.strip()
    for pattern, replacement in REWRITES.items():
        latex = re.sub(pattern, replacement, latex)
    try:
        return convert(latex, display=display)
    except Exception:  # whatever a formula does to the converter, the page must be written
        return f"<code>{html.escape(latex)}</code>"


class _Exporter(HTMLExporter):
    def default_filters(self):
        yield from super().default_filters()
        yield "markdown2html", lambda source: MarkdownWithMath(_MathMl(escape=False)).render(source)
