"""Makes the pictures in docs/images anew, of real runs on this kernel and of the recordings that notebooks show.

sudo make pictures
"""
