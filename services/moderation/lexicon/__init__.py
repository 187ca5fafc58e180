"""The word list, compiled: which listed words a text contains, however they are written. Pure."""
