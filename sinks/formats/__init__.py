"""Forms in which alerts leave for other systems: CAP, GeoJSON, CloudEvents, Alertmanager. Pure; of what people may see, never of more."""
