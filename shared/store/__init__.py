"""MongoDB: connections, schema and one repository per collection."""
