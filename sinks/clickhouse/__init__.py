"""ClickHouse: the tables and views that Grafana reads, written by an embedded engine or a server."""
