"""How the product stands, as load balancers, Prometheus and supervisors ask. See docs/operations.md."""
