"""The shared limits: one ingress leases leases for calls to the vendors to all workers."""
