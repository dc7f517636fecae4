"""Real services on this machine for tests and benchmarks: an Apache Kafka broker, a ClickHouse server."""
