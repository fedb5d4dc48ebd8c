"""The named models of the literature, one file each."""
