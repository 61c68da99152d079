"""The dashboard: see and steer every queue in a browser. Needs the extra `dashboard`."""
