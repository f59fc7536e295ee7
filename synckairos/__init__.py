"""The kernel: the pure clock, the catalogues, ids, keys and clients that every other room uses."""
