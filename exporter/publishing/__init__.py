"""From parts and labels to published bytes: figures, counters, the snapshot, samples and the exposition."""
