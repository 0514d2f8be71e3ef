"""How Sphinx builds the site. `docs/make_site.py` prepares the sources and calls it."""

from __future__ import annotations

import sys
from pathlib import Path

import exportstats

sys.path.append(str(Path(__file__).parent))

project = "exportstats"
author = "the exportstats developers"
project_copyright = author
version = release = exportstats.__version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "reference",  # signatures and types in words, in this folder
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "sphinx_design",
]
exclude_patterns = ["*.py", "recipes/**"]
default_role = "py:obj"  # a name between single backticks, as in the docstrings
myst_enable_extensions = ["attrs_inline", "colon_fence"]
myst_heading_anchors = 4
nb_execution_mode = "off"  # make_site.py has executed the notebooks
nb_merge_streams = True
nb_ipywidgets_js = {}  # it would be loaded from elsewhere
toc_object_entries_show_parents = "hide"  # the names of methods are cut otherwise
autodoc_typehints = "none"
napoleon_google_docstring = False
napoleon_custom_sections = [("Attributes", "params_style")]  # not "Variables"
napoleon_use_rtype = False
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

html_context = {"default_mode": "auto"}
html_theme = "pydata_sphinx_theme"
html_title = "exportstats"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False
html_show_search_summary = False  # a summary is fetched, which browsers refuse to a file
html_theme_options = {
    "logo": {"text": "exportstats"},
    "navbar_align": "left",
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "show_prev_next": False,
}
html_sidebars = {"index": [], "gallery/index": []}
