"""The cockpit: the live list of alerts, its feed of server-sent events, and one plain page."""
