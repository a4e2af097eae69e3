"""What the Prometheus operator needs of the rules, generated from the files that everybody else uses."""
