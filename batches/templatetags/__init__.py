"""How templates write times, numbers, sizes, hostile text and icons. Everything is in `console`."""
