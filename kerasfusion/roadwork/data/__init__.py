"""Labelled photos from wherever they are to an imagefolder ROOT/{train,val,test}/{no_roadwork,roadwork}: import, split,
check, and the listing that everything else reads."""
