"""Names as they are published: text made safe for labels, and providers mapped to families. Pure; below everything else."""
