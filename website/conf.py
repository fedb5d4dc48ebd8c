"""Sphinx' settings of the site. `make docs` builds it."""

import importlib.metadata

project = "ssdgm_tf"
author = "the authors of ssdgm_tf"
release = importlib.metadata.version("ssdgm_tf")
version = release

extensions = ["myst_nb", "sphinx_copybutton"]
exclude_patterns = []
# Equations are ASCII, so that they read the same in an editor: blocks without a language are text.
highlight_language = "text"
python_maximum_signature_line_length = 90
python_use_unqualified_type_names = True
toc_object_entries_show_parents = "hide"

myst_enable_extensions = ["colon_fence", "fieldlist"]
myst_heading_anchors = 4

# Notebooks keep their outputs; `python -m website.notebooks` runs them.
nb_execution_mode = "off"

html_theme = "furo"
html_title = f"ssdgm_tf {release}"
html_favicon = "_static/icon.svg"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_show_sphinx = False
html_show_copyright = False
html_copy_source = False
html_theme_options = {"navigation_with_keys": True}
copybutton_prompt_text = "$ "
