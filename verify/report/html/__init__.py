"""Reports to look at: one self-contained HTML page about a problem, and the registry of statements as a static site.

Nothing in them is fetched from a network and nothing runs: no scripts, formulas in MathML, figures as inline SVG, colours for light and dark.
"""
