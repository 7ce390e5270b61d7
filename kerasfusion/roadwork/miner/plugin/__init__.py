"""The one file as the detector of a miner's source tree: `miner install` and `miner uninstall`.
In: a tree, a model, settings. Out: a module, its YAML, and an import line that can be taken out again."""
