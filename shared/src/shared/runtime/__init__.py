"""Composition: registry, clients, runner, pool, processor, Faust glue, worker."""
