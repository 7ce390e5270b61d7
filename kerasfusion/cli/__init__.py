"""The command line: a file a group of commands; each reads its settings, calls one function, prints what came of it."""
