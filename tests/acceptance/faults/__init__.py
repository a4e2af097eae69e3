"""What breaks, and what then is seen. It is a package so that its servers end with its last test."""
