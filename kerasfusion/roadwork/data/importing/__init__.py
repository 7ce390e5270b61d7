"""`data import`: a hub's data set, Parquet files, a saved dataset or folders to an imagefolder, byte for byte."""
