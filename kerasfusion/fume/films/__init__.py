"""Films of one or both gases, frame by frame. In: MP4, AVI, MOV, SEQ, TIFF of many pages.
Out: a table, a film, a figure."""
