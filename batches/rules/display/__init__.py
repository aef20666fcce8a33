"""How values are written for people, on pages and in files: sizes, shares, acts in words, cells of CSV."""
