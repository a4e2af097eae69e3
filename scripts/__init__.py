"""Programs for those who work on the project; `make help` names the ones to call."""
