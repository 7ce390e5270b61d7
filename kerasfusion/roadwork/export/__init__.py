"""`export`: a run or the one file to another format or precision, with its decisions checked."""
