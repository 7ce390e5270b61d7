"""The one file inside a streetvision miner: plug-in, its settings, older layouts, and the folder for a model hub."""
