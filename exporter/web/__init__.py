"""HTTP: a small server that is hard to wear down, the pages it serves, and who may ask for them."""
