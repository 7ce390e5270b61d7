"""Generated street scenes with and without roadwork. In: a seed. Out: photos, or an imagefolder of them."""
