"""The top layer: what is known about a problem, in words, JSON, tables and figures. It may import everything; nothing below imports it."""
