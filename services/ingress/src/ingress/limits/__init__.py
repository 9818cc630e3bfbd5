"""The shared limits: one ingress leases permits for calls to the vendors to all workers."""
