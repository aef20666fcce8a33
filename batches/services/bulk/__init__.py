"""Acts on many batches at once: looked at beforehand, recorded, run batch by batch through the verbs' own services."""
