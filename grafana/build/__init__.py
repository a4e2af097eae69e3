"""The dashboards as code: one module a view, one function a panel; `python -m grafana.build` writes the JSON."""
