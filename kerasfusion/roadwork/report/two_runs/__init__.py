"""The report of two runs side by side. In: two run folders. Out: sections of one page."""
