"""Labelled photos as an imagefolder ROOT/{train,val,test}/{no_roadwork,roadwork}: split, check, labels, copies, and the
listing that everything else reads. importing/ brings them there from wherever they are."""
